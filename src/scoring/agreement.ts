import { QuantileSketch } from './quantile-sketch.ts'
import { type Psi, Stability } from './stability.ts'

// How far two models agree, from the scores that both gave to the same events. Differences are the
// other model's score minus the main model's.

/** The quantiles that are told, by name. */
export const QUANTILES = { p1: 0.01, p5: 0.05, p50: 0.5, p95: 0.95, p99: 0.99 } as const

/** What is known of the pairs so far. */
export interface AgreementResult {
  readonly pairs: number
  /** Pairs that were left out, since one of their scores is not finite. */
  readonly notFinite: number
  /** NaN without pairs. */
  readonly meanDifference: number
  /** NaN without pairs. */
  readonly meanAbsoluteDifference: number
  /** Of the difference, each to within 1 % of itself; NaN without pairs. */
  readonly quantiles: Readonly<Record<keyof typeof QUANTILES, number>>
  /**
   * How many events are on one side of a threshold for the main model, and not for the other;
   * `null`: no threshold was given.
   */
  readonly flips: {
    readonly threshold: number
    /** The other model's score reaches the threshold, the main model's does not. */
    readonly up: number
    /** The main model's score reaches the threshold, the other model's does not. */
    readonly down: number
  } | null
  /** `null` with fewer than 100 pairs. */
  readonly psi: Psi | null
}

/** A bar of the histogram of differences: those ≥ `from` and < `to`. */
export interface HistogramBin {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** Compares two models, in memory that does not grow: 100 kB. */
export class Agreement {
  readonly #threshold: number | null
  readonly #differences = new QuantileSketch()
  readonly #stability = new Stability()
  #notFinite = 0
  #sum = 0
  #absolute = 0
  #up = 0
  #down = 0

  /** @param threshold from which on a score is positive; `null`: flips are not counted */
  constructor(threshold: number | null) {
    this.#threshold = threshold
  }

  /** Adds the scores of `count` events: at each index those of one event. */
  add(main: ArrayLike<number>, other: ArrayLike<number>, count: number): void {
    for (let i = 0; i < count; i++) this.#addOne(main[i] as number, other[i] as number)
  }

  get result(): AgreementResult {
    const { count: pairs } = this.#differences
    const quantiles = Object.entries(QUANTILES).map(
      ([name, share]) => [name, this.#differences.quantile(share)] as const,
    )
    return {
      pairs,
      notFinite: this.#notFinite,
      meanDifference: this.#sum / pairs,
      meanAbsoluteDifference: this.#absolute / pairs,
      quantiles: Object.fromEntries(quantiles) as AgreementResult['quantiles'],
      flips:
        this.#threshold === null
          ? null
          : { threshold: this.#threshold, up: this.#up, down: this.#down },
      psi: this.#stability.psi,
    }
  }

  /**
   * How often which difference occurs, around 0 and as far as p1 and p99 reach; the outermost bins
   * hold what is beyond. Empty when all differences are 0, or when there are none.
   * @param bins odd, so that 0 is in the middle of one
   */
  histogram(bins: number): HistogramBin[] {
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
