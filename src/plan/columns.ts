export type ColumnType = 'number' | 'text' | 'boolean'

/** A field of an event by the names from the top to it: `['amount']`, `['card', 'country']`. */
export type FieldPath = readonly string[]

/** What a column has in a row: no field, or none of the objects that it would be in. */
export const ABSENT = 0
export const PRESENT = 1
/** The field is `null`. */
export const NULL = 2

/**
 * What a column holds of each row. What is not `PRESENT` has nothing but a state. A text lies
 * without its quotes, all else as its literal.
 */
export interface ColumnForm {
  readonly path: FieldPath
  readonly type: ColumnType
  /** May an event lack the field? */
  readonly isOptional: boolean
  /** May something on the way to it be missing, or `null`? */
  readonly isWithinOptional: boolean
}

/** Fields of a chunk's events, a row each: one for each event that there may be. */
export class ScannedColumns {
  readonly capacity: number
  // All columns one behind the other, so that who fills a row has four arrays at hand: column ·
  // capacity + row.
  readonly states: Uint8Array
  readonly numbers: Float64Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly forms: readonly ColumnForm[]

  constructor(forms: readonly ColumnForm[], capacity: number) {
    const cells = forms.length * capacity
    this.forms = forms
    this.capacity = capacity
    this.states = new Uint8Array(cells)
    this.numbers = new Float64Array(cells)
    this.starts = new Int32Array(cells)
    this.ends = new Int32Array(cells)
  }
}
