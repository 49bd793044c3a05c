export type ColumnType = 'number' | 'text' | 'boolean'

/** Names on the path to a field of an event, from the top: `['card', 'country']`. */
export type FieldPath = readonly string[]

/** State of a cell: the field, or an object that contains it, is absent. */
export const ABSENT = 0
export const PRESENT = 1
export const NULL = 2

/** A column's cells. A text lies between its quotes in JSON; everything else is its literal. */
export interface ColumnForm {
  readonly path: FieldPath
  readonly type: ColumnType
  readonly isOptional: boolean
  /** Whether an object on the path may be missing, or `null`. */
  readonly isWithinOptional: boolean
  /** Texts have no quotes, and numbers no literals. @default they have */
  readonly isBinary?: true
}

/** Fields of a chunk's events, with a row for every event that a chunk may have. */
export class ScannedColumns {
  readonly capacity: number
  // At column · capacity + row, so that code that fills a row uses only four arrays.
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
