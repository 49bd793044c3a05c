// Quantiles of a stream of numbers, in memory that does not grow: DDSketch, from Masson, Rim and
// Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees",
// PVLDB 12 (2019). The range is fixed here, so that no buckets ever have to be joined.

/** A quantile is off by at most this fraction of itself. */
export const RELATIVE_ERROR = 0.01
/** Numbers closer to 0 count as 0. */
export const LEAST_MAGNITUDE = 1e-9
/** Numbers further from 0 count as this far. */
export const MOST_MAGNITUDE = 1e12

const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
const LOG_GAMMA = Math.log(GAMMA)
const FIRST = Math.ceil(Math.log(LEAST_MAGNITUDE) / LOG_GAMMA)
const BUCKETS = Math.ceil(Math.log(MOST_MAGNITUDE) / LOG_GAMMA) - FIRST + 1

/** How many numbers are close to a value. */
export interface Bucket {
  readonly value: number
  readonly count: number
}

/** Counts numbers by sign and by the logarithm of their magnitude. */
export class QuantileSketch {
  readonly #below = new Float64Array(BUCKETS)
  readonly #above = new Float64Array(BUCKETS)
  #zero = 0
  #count = 0
  #least = Number.POSITIVE_INFINITY
  #most = Number.NEGATIVE_INFINITY

  get count(): number {
    return this.#count
  }

  /** @param x finite */
  add(x: number): void {
    const magnitude = Math.abs(x)
    const counted = magnitude < LEAST_MAGNITUDE ? 0 : x
    this.#count++
    if (counted < this.#least) this.#least = counted
    if (counted > this.#most) this.#most = counted
    if (counted === 0) {
      this.#zero++
      return
    }
    const at = Math.min(Math.ceil(Math.log(magnitude) / LOG_GAMMA) - FIRST, BUCKETS - 1)
    const counts = x < 0 ? this.#below : this.#above
    counts[at] = (counts[at] as number) + 1
  }

  /**
   * A quantile by nearest rank, to within {@link RELATIVE_ERROR}; NaN when there are no numbers.
   * @param share 0 to 1
   */
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.#count))
    for (const { value, count } of this.buckets()) {
      left -= count
      if (left <= 0) return Math.min(Math.max(value, this.#least), this.#most)
    }
    return Number.NaN
  }

  /** The buckets that are not empty, in ascending order of value. */
  *buckets(): Generator<Bucket> {
    for (let at = BUCKETS - 1; at >= 0; at--) {
      const count = this.#below[at] as number
      if (count > 0) yield { value: -valueAt(at), count }
    }
    if (this.#zero > 0) yield { value: 0, count: this.#zero }
    for (let at = 0; at < BUCKETS; at++) {
      const count = this.#above[at] as number
      if (count > 0) yield { value: valueAt(at), count }
    }
  }
}

/** The value with the least relative error to any number of a bucket. */
function valueAt(at: number): number {
  return (2 * GAMMA ** (at + FIRST)) / (GAMMA + 1)
}
