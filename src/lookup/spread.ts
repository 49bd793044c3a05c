import { type DriftDefinition, featuresIn } from '../topology/reuse.ts'

/** 2^149: times it every float32 is a whole number. */
const UNITS = 2 ** 149

/**
 * The standard deviation of float32 numbers that come and go. Their sums are whole numbers, without
 * any error, so that a number that goes leaves nothing behind, however large.
 */
class Deviation {
  #count = 0
  #sum = 0n
  #squares = 0n

  /** @param by 1: the number comes; −1: it goes */
  change(x: number, by: 1 | -1): void {
    const [units, sign] = [BigInt(x * UNITS), BigInt(by)]
    this.#count += by
    this.#sum += sign * units
    this.#squares += sign * units * units
  }

  /** Deviation of the population, √(n·Σx² − (Σx)²) / n; NaN: there are no numbers. */
  get value(): number {
    const spread = BigInt(this.#count) * this.#squares - this.#sum * this.#sum
    return Math.sqrt(Number(spread)) / UNITS / this.#count
  }
}

/** Standard deviations of the features in the rows of a table, as rows come and go. */
export class Spread {
  readonly drift: DriftDefinition
  readonly #features: readonly Deviation[]
  #deviations: Float32Array | null = null

  constructor(drift: DriftDefinition) {
    this.drift = drift
    this.#features = drift.names.map(() => new Deviation())
  }

  /** A row whose features cannot be read counts nowhere. @param by 1: it comes; −1: it goes */
  change(row: unknown, by: 1 | -1): void {
    let values: Float32Array
    try {
      values = featuresIn(this.drift, row)
    } catch {
      return
    }
    this.#deviations = null
    for (const [f, deviation] of this.#features.entries()) {
      const value = values[f] as number
      if (Number.isFinite(value)) deviation.change(value, by)
    }
  }

  /** By feature. They do not depend on the order in which rows came. */
  get deviations(): Float32Array {
    this.#deviations ??= Float32Array.from(this.#features, ({ value }) => value)
    return this.#deviations
  }
}
