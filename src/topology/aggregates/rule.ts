// What there is to say of an aggregate. From it follow its words, its data, its text, its checks,
// what windows keep for it, and its value.

export type CellType = 'number' | 'string' | 'boolean'

/**
 * What windows keep of a column, beside its cells: `sums` of its values and their squares, and its
 * extremes · `powers`: sums up to the fourth power · `order`: its values in order · `links` from
 * each text to where it occurred before · `decay`: a sum of what the half-life has left.
 */
export type Need = 'sums' | 'powers' | 'order' | 'links' | 'decay'

/** Sums of powers of the deviations from the mean. */
export interface Deviations {
  /** 0 only if all values are equal. */
  readonly squares: number
  readonly cubes: number
  readonly fourths: number
}

/**
 * The events of a window, at least one. Columns are named by number; each must have what is {@link
 * Need needed} of it.
 */
export interface Reached {
  readonly count: number
  total(column: number): number
  /** Is the total 0, but for what rounding leaves of values that cancel out? */
  isNothing(column: number): boolean
  min(column: number): number
  max(column: number): number
  /** Population variance. */
  variance(column: number): number
  /** Until it is asked again. */
  deviations(column: number): Deviations
  /** The cell of the oldest event. */
  oldest(column: number): number
  /** The cell of the newest event. */
  newest(column: number): number
  /** How many different texts. */
  distinct(column: number): number
  quantile(column: number, q: number): number
  /** What is left of the total when each value halves with every half-life. */
  decayed(column: number, halfLifeMs: number): number
}

/**
 * What an author has said of an aggregate, all in one shape: what is not said is NaN, and column 0.
 */
export interface Placed {
  readonly column: number
  readonly over: number
  readonly parameter: number
  readonly empty: number
  /** Of the window. */
  readonly lengthSeconds: number
}

/** A number beside its columns. */
interface Parameter {
  /** In the data. */
  readonly name: string
  text(value: number): string
  /** What is wrong with it; `null`: nothing. */
  fault(value: number): string | null
}

export interface AggregateRule {
  /**
   * The columns that it reads, by their names in the data. Its words take them first, then the
   * parameter, then `empty`.
   */
  readonly columns: readonly ('column' | 'over')[]
  readonly cells: readonly CellType[]
  readonly parameter?: Parameter
  /** Is what it is over no events for the author to say? Else it is 0. */
  readonly takesEmpty: boolean
  /** Is it a cell as it was, rather than a number made of cells? A model takes no text. */
  readonly givesCell?: true
  readonly needs: readonly Need[]
  readonly value: (reached: Reached, placed: Placed) => number
}

/** What most of them read. */
export const OF_NUMBERS = { columns: ['column'], cells: ['number'], takesEmpty: true } as const
