/** Buckets for each doubling of time, so that a quantile is off by 2 % at most. */
const PARTS = 16
/** The shortest time that is distinguished, ms; shorter ones count as this. */
const SHORTEST_MS = 1e-3
/** Number of doublings, starting at a microsecond: up to 19 hours. */
const DOUBLINGS = 36

/** The statistics that are reported of durations, ms; NaN where there are none. */
export const STATISTICS = {
  mean: (of) => of.meanMs,
  p50: (of) => of.quantileMs(0.5),
  p95: (of) => of.quantileMs(0.95),
  p99: (of) => of.quantileMs(0.99),
  max: (of) => of.quantileMs(1),
} as const satisfies Readonly<Record<string, (of: Durations) => number>>

/** The content of a histogram of durations, as plain data. */
export interface DurationsData {
  readonly counts: Float64Array
  readonly count: number
  readonly sumMs: number
  readonly maxMs: number
}

/** A histogram of durations: counts by the logarithm of the time, in memory that does not grow. */
export class Durations {
  readonly #counts = new Float64Array(PARTS * DOUBLINGS)
  #count = 0
  #sumMs = 0
  #maxMs = 0

  get count(): number {
    return this.#count
  }

  /** NaN when there are none. */
  get meanMs(): number {
    return this.#sumMs / this.#count
  }

  add(ms: number): void {
    const part = Math.floor(Math.log2(Math.max(ms, SHORTEST_MS) / SHORTEST_MS) * PARTS)
    const at = Math.min(part, this.#counts.length - 1)
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#count++
    this.#sumMs += ms
    this.#maxMs = Math.max(this.#maxMs, ms)
  }

  addAll(other: Durations | DurationsData): this {
    const { counts, count, sumMs, maxMs } = other instanceof Durations ? other.data() : other
    for (const [at, more] of counts.entries()) {
      this.#counts[at] = (this.#counts[at] as number) + more
    }
    this.#count += count
    this.#sumMs += sumMs
    this.#maxMs = Math.max(this.#maxMs, maxMs)
    return this
  }

  /** Its content, which another process can add to its own. */
  data(): DurationsData {
    return { counts: this.#counts, count: this.#count, sumMs: this.#sumMs, maxMs: this.#maxMs }
  }

  get sumMs(): number {
    return this.#sumMs
  }

  /** How many were shorter than 2 ** `powerOfTwo` microseconds. */
  shorterThan(powerOfTwo: number): number {
    let shorter = 0
    for (const count of this.#counts.subarray(0, powerOfTwo * PARTS)) shorter += count
    return shorter
  }

  /**
   * A quantile by nearest rank; 1 is the longest, exactly. NaN when there are none. @param share 0
   * to 1
   */
  quantileMs(share: number): number {
    if (this.#count === 0) return Number.NaN
    let left = Math.max(1, Math.ceil(share * this.#count))
    if (left >= this.#count) return this.#maxMs
    const at = this.#counts.findIndex((count) => {
      left -= count
      return left <= 0
    })
    return Math.min(SHORTEST_MS * 2 ** ((at + 0.5) / PARTS), this.#maxMs)
  }
}
