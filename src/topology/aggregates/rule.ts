// Everything that defines an aggregate. Its method for authors, its data, its description, its
// checks, what windows store for it, and its value all follow from this.

/** Type of the values of a column. */
export type CellType = 'number' | 'string' | 'boolean'

/**
 * What windows store for a column besides its cells. `sums`: sums of its values and of their
 * squares, and its minimum and maximum · `powers`: sums up to the fourth power · `order`: its
 * values, sorted · `links`: from each string to its previous occurrence · `decay`: its decayed sum.
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
 * The events of a window, at least one. Columns are identified by number; for each, what the
 * aggregate {@link Need needs} must be stored.
 */
export interface Reached {
  readonly count: number
  total(column: number): number
  /** Whether the total is 0, apart from the rounding error of values that cancel out. */
  isNothing(column: number): boolean
  min(column: number): number
  max(column: number): number
  /** Population variance. */
  variance(column: number): number
  /** The result is valid until the next call. */
  deviations(column: number): Deviations
  /** The cell of the oldest event. */
  oldest(column: number): number
  /** The cell of the newest event. */
  newest(column: number): number
  /** Exact number of different strings. */
  distinct(column: number): number
  quantile(column: number, q: number): number
  /** The total when each value halves with every half-life. */
  decayed(column: number, halfLifeMs: number): number
}

/**
 * The arguments of an aggregate, in one shape for all. Numbers that are not given are NaN; columns
 * that are not given are 0.
 */
export interface Placed {
  readonly column: number
  readonly over: number
  readonly parameter: number
  readonly empty: number
  /** Length of the window, s. */
  readonly lengthSeconds: number
}

/** A number that an aggregate takes besides its columns, such as `q`. */
interface Parameter {
  /** Its name in the data. */
  readonly name: string
  /** For descriptions. */
  text(value: number): string
  /** What is wrong with a value; `null`: nothing. */
  fault(value: number): string | null
}

/** The definition of one aggregate. */
export interface AggregateRule {
  /**
   * The columns that it reads, by their names in the data. Its methods take them first, then the
   * parameter, then `empty`.
   */
  readonly columns: readonly ('column' | 'over')[]
  /** The types that its columns may have. */
  readonly cells: readonly CellType[]
  readonly parameter?: Parameter
  /** Whether the author sets its value over no events; otherwise that is 0. */
  readonly acceptsEmpty: boolean
  /** Set if its value is one of the cells, not computed from them. A model takes no strings. */
  readonly givesCell?: true
  readonly needs: readonly Need[]
  readonly value: (reached: Reached, placed: Placed) => number
}

/** Common to most aggregates: they read one numeric column. */
export const OF_NUMBERS = { columns: ['column'], cells: ['number'], acceptsEmpty: true } as const
