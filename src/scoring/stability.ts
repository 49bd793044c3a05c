// The population stability index (PSI) of two models' scores: by how much the share of events in
// each tenth of the main model's scores differs.

/** The tenths are those of this many first scores of the main model. */
const REFERENCE = 1_000
/** With fewer pairs, chance alone makes the index large. */
const LEAST_PAIRS = 100
const TENTHS = 10
/** Added to each count, so that an empty tenth has a logarithm. */
const SMOOTHING = 0.5
/** 0.999 quantiles of χ² with 1, 2, … degrees of freedom. */
const CHI_SQUARE = [10.828, 13.816, 16.266, 18.467, 20.515, 22.458, 24.322, 26.124, 27.877]

/** The index, and how large it gets when there is no difference. */
export interface Psi {
  readonly value: number
  /**
   * Of 1,000 comparisons of as many events with equal distributions, 1 has a larger index by
   * chance: χ²(0.999, tenths − 1) · 2 / pairs. B. Yurdakul, "Statistical Properties of Population
   * Stability Index" (2018).
   */
  readonly byChance: number
}

/** Counts the scores of two models by the tenths of the first model's. */
export class Stability {
  readonly #main = new Float64Array(REFERENCE)
  readonly #other = new Float64Array(REFERENCE)
  #held = 0
  /** `null`: the reference is not complete. */
  #tenths: Tenths | null = null

  /** Adds the scores of one event, which must be finite. */
  add(main: number, other: number): void {
    if (this.#tenths !== null) {
      this.#tenths.add(main, other)
      return
    }
    this.#main[this.#held] = main
    this.#other[this.#held] = other
    this.#held++
    if (this.#held === REFERENCE) this.#tenths = this.#heldTenths()
  }

  /** `null` with fewer than 100 pairs. */
  get psi(): Psi | null {
    if (this.#held < LEAST_PAIRS) return null
    return (this.#tenths ?? this.#heldTenths()).psi
  }

  #heldTenths(): Tenths {
    const main = this.#main.subarray(0, this.#held)
    const tenths = new Tenths(main)
    for (const [i, score] of main.entries()) tenths.add(score, this.#other[i] as number)
    return tenths
  }
}

class Tenths {
  /** The largest score of each tenth but the last. Equal ones are one, so there may be fewer. */
  readonly #edges: readonly number[]
  readonly #main: Float64Array
  readonly #other: Float64Array
  #pairs = 0

  constructor(reference: Float64Array) {
    const sorted = reference.toSorted()
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

  get psi(): Psi {
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
