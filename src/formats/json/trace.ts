import { type BoundScalar, UNNAMED } from './bound.ts'

/** The scalars of a record, in their order. */
export interface Trace {
  readonly scalars: readonly BoundScalar[]
  /** Where each begins, and behind it, with a text's quotes. */
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** In place of a count: there was more than scalars and the objects of the schema. */
export const MORE = -1

/** Notes where the scalars of a record are, without making anything while records go by. */
export class Tracer {
  /** Of the scalars noted, or {@link MORE}; to be set back where a way turns out to be wrong. */
  count = 0
  readonly #scalars: BoundScalar[]
  readonly #starts: Int32Array
  readonly #ends: Int32Array

  /** @param most a record has */
  constructor(most: number) {
    this.#scalars = Array.from({ length: most }, () => UNNAMED)
    this.#starts = new Int32Array(most)
    this.#ends = new Int32Array(most)
  }

  note(scalar: BoundScalar, start: number, end: number): void {
    if (this.count === MORE) return
    this.#scalars[this.count] = scalar
    this.#starts[this.count] = start
    this.#ends[this.count] = end
    this.count++
  }

  /** @returns `null`: there was more than this could note */
  trace(): Trace | null {
    if (this.count === MORE) return null
    return {
      scalars: this.#scalars.slice(0, this.count),
      starts: this.#starts.slice(0, this.count),
      ends: this.#ends.slice(0, this.count),
    }
  }
}
