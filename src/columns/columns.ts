

/** Type of the values in a column. */
export type ColumnType = 'number' | 'text' | 'boolean'

/**
 * A field of an event: the names on the path to it, from the top: `['amount']`, `['card',
 * 'country']`.
 */
export type FieldPath = readonly string[]

/** State of a cell: the field, or an object that contains it, is absent. */
export const ABSENT = 0
/** State of a cell: it has a value. */
export const PRESENT = 1
/** State of a cell: the field is `null`. */
export const NULL = 2

/**
 * What a column holds for each row. A cell that is not `PRESENT` has only a state. A text is stored
 * without its quotes, but as JSON has it between them; everything else as its literal in JSON.
 */
export interface ColumnForm {
  readonly path: FieldPath
  readonly type: ColumnType
  /** May an event lack the field? */
  readonly isOptional: boolean
  /** May an object on the path to it be missing, or `null`? */
  readonly isWithinOptional: boolean
  /** There are no quotes around its texts, and no literals of its numbers. @default there are */
  readonly isBinary?: true
}

/**
 * Fields of a chunk's events, one row per event; there is a row for every event that a chunk may
 * have.
 */
export class ScannedColumns {
  readonly capacity: number
  // All columns one after the other, so that code that fills a row uses only four arrays: index
  // column · capacity + row.
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
