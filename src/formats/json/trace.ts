import { type BoundScalar, UNNAMED } from './bound.ts'

/** The scalars of a record, in their order. */
export interface Trace {
  readonly scalars: readonly BoundScalar[]
  /** Where each begins and ends, with a text's quotes. */
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** In place of a count: the record has more than scalars and the schema's objects. */
export const MORE = -1

/** Notes where the scalars of a record are, without allocating while records are scanned. */
export class Tracer {
  /** Number of scalars noted, or {@link MORE}; to be reset when the walker backtracks. */
  count = 0
  readonly #scalars: BoundScalar[]
  readonly #starts: Int32Array
  readonly #ends: Int32Array

  /** @param most maximum number of scalars in a record */
  constructor(most: number) {
    this.#scalars = Array.from({ length: most }, () => UNNAMED)
    this.#starts = new Int32Array(most)
    this.#ends = new Int32Array(most)
  }

  /** Notes a scalar. `start`, `end`: with a text's quotes. */
  note(scalar: BoundScalar, start: number, end: number): void {
    if (this.count === MORE) return
    this.#scalars[this.count] = scalar
    this.#starts[this.count] = start
    this.#ends[this.count] = end
    this.count++
  }

  /**
   * The scalars noted. @returns `null`: the record has more than scalars and the schema's objects
   */
  trace(): Trace | null {
    if (this.count === MORE) return null
    return {
      scalars: this.#scalars.slice(0, this.count),
      starts: this.#starts.slice(0, this.count),
      ends: this.#ends.slice(0, this.count),
    }
  }
}
