// The parity of two models: how far they agree on the same events. A difference is the other
// model's score minus the main model's.

export const QUANTILES = { p1: 0.01, p5: 0.05, p50: 0.5, p95: 0.95, p99: 0.99 } as const

/** Compares two models in 100 kB. */
export class Parity {
  readonly #threshold: number | null
  readonly #differences = new QuantileSketch()
  readonly #stability = new Stability()
  #notFinite = 0
  #sum = 0
  #absolute = 0
  #up = 0
  #down = 0

  /** @param threshold the least positive score; `null`: flips are not counted */
  constructor(threshold: number | null) {
    this.#threshold = threshold
  }

  add(main: ArrayLike<number>, other: ArrayLike<number>, count: number): void {
    for (let i = 0; i < count; i++) this.#addOne(main[i] as number, other[i] as number)
  }

  get result() {
    const { count: pairs } = this.#differences
    const quantiles = Object.entries(QUANTILES).map(
      ([name, share]) => [name, this.#differences.quantile(share)] as const,
    )
    return {
      pairs,
      /** Pairs left out, because one of their scores is not finite. */
      notFinite: this.#notFinite,
      /** NaN without pairs. */
      meanDifference: this.#sum / pairs,
      meanAbsoluteDifference: this.#absolute / pairs,
      /** Quantiles of the difference, each to within 1 % of itself; NaN without pairs. */
      quantiles: Object.fromEntries(quantiles) as Record<keyof typeof QUANTILES, number>,
      /** Events on different sides of the threshold; `null`: no threshold was given. */
      flips:
        this.#threshold === null
          ? null
          : { threshold: this.#threshold, up: this.#up, down: this.#down },
      /** `null` with fewer than 100 pairs. */
      psi: this.#stability.psi,
    }
  }

  /** The outermost bins hold all beyond p1 and p99. @param bins odd, so that one is around 0 */
  histogram(bins: number) {
    const { p1, p99 } = this.result.quantiles
    const reach = Math.max(Math.abs(p1), Math.abs(p99))
    if (!(reach > 0)) return []
    const width = (2 * reach) / bins
    const counts = new Float64Array(bins)
    for (const { value, count } of this.#differences.buckets()) {
      const at = Math.min(Math.max(Math.floor((value + reach) / width), 0), bins - 1)
      counts[at] = (counts[at] as number) + count
    }
    const edge = (at: number) => -reach + at * width
    return Array.from(counts, (count, at) => ({ from: edge(at), to: edge(at + 1), count }))
  }

  #addOne(main: number, other: number): void {
    const difference = other - main
    if (!Number.isFinite(difference)) {
      this.#notFinite++
      return
    }
    this.#differences.add(difference)
    this.#stability.add(main, other)
    this.#sum += difference
    this.#absolute += Math.abs(difference)
    if (this.#threshold === null) return
    const isUp = other >= this.#threshold
    if (isUp === main >= this.#threshold) return
    if (isUp) this.#up++
    else this.#down++
  }
}

export type ParityResult = Parity['result']
export type HistogramBin = ReturnType<Parity['histogram']>[number]

// The population stability index (PSI): how much the share of events in each tenth of the main
// model's scores differs for the other model.

/** How many first scores of the main model define the tenths. */
const REFERENCE = 1_000
/** Below this, chance alone makes the index large. */
const LEAST_PAIRS = 100
const TENTHS = 10
/** Added to each count, so that an empty tenth has a logarithm. */
const SMOOTHING = 0.5
/** 0.999 quantiles of χ² with 1, 2, … degrees of freedom. */
const CHI_SQUARE = [10.828, 13.816, 16.266, 18.467, 20.515, 22.458, 24.322, 26.124, 27.877]

export class Stability {
  readonly #main: number[] = []
  readonly #other: number[] = []
  /** `null`: the reference is not complete. */
  #tenths: Tenths | null = null

  add(main: number, other: number): void {
    if (this.#tenths !== null) {
      this.#tenths.add(main, other)
      return
    }
    this.#main.push(main)
    this.#other.push(other)
    if (this.#main.length === REFERENCE) this.#tenths = this.#heldTenths()
  }

  get psi() {
    if (this.#main.length < LEAST_PAIRS) return null
    return (this.#tenths ?? this.#heldTenths()).psi
  }

  #heldTenths(): Tenths {
    const tenths = new Tenths(this.#main)
    for (const [i, score] of this.#main.entries()) tenths.add(score, this.#other[i] as number)
    return tenths
  }
}

class Tenths {
  /** The largest score of each tenth but the last. Equal ones are joined, so there may be fewer. */
  readonly #edges: readonly number[]
  readonly #main: Float64Array
  readonly #other: Float64Array
  #pairs = 0

  constructor(reference: readonly number[]) {
    const sorted = Float64Array.from(reference).sort()
    const edgeOf = (tenth: number) => sorted[Math.ceil((sorted.length * tenth) / TENTHS) - 1]
    const edges = Array.from({ length: TENTHS - 1 }, (_, i) => edgeOf(i + 1) as number)
    this.#edges = [...new Set(edges)]
    this.#main = new Float64Array(this.#edges.length + 1)
    this.#other = new Float64Array(this.#edges.length + 1)
  }

  add(main: number, other: number): void {
    this.#pairs++
    this.#count(this.#main, main)
    this.#count(this.#other, other)
  }

  /**
   * `byChance` is exceeded in 1 of 1,000 comparisons of equal distributions: χ²(0.999, tenths − 1) ·
   * 2 / pairs. B. Yurdakul, "Statistical Properties of Population Stability Index" (2018).
   */
  get psi() {
    const all = this.#pairs + SMOOTHING * this.#main.length
    let value = 0
    for (const [i, count] of this.#main.entries()) {
      const main = (count + SMOOTHING) / all
      const other = ((this.#other[i] as number) + SMOOTHING) / all
      value += (other - main) * Math.log(other / main)
    }
    const chiSquare = CHI_SQUARE[this.#edges.length - 1] as number
    return { value, byChance: (chiSquare * 2) / this.#pairs }
  }

  #count(counts: Float64Array, score: number): void {
    let at = 0
    while (at < this.#edges.length && score > (this.#edges[at] as number)) at++
    counts[at] = (counts[at] as number) + 1
  }
}

// Quantiles in bounded memory: DDSketch, from Masson, Rim and Lee, "DDSketch: A Fast and
// Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", PVLDB 12 (2019). The range is
// fixed here, so that buckets are never joined.

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

  /** By nearest rank, within {@link RELATIVE_ERROR}; NaN without numbers. @param share 0 to 1 */
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.#count))
    for (const { value, count } of this.buckets()) {
      left -= count
      if (left <= 0) return Math.min(Math.max(value, this.#least), this.#most)
    }
    return Number.NaN
  }

  /** Yields the buckets that are not empty, in ascending order. */
  *buckets(): Generator<{ readonly value: number; readonly count: number }> {
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

function valueAt(at: number): number {
  return (2 * GAMMA ** (at + FIRST)) / (GAMMA + 1)
}
