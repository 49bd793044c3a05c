import { productError, sumError } from '../kernel/rounding-errors.ts'
import { type DriftDefinition, featuresIn } from '../topology/reuse.ts'

/**
 * A sum without any error, so that a number that is taken off again leaves nothing behind, however
 * large: the partials do not overlap (Shewchuk 1997, "Adaptive Precision Floating-Point
 * Arithmetic", grow-expansion; Python's math.fsum).
 */
class ExactSum {
  /** The smallest first. */
  readonly partials: number[] = []

  add(x: number): void {
    const { partials } = this
    let rest = x
    let used = 0
    for (const partial of partials) {
      const sum = rest + partial
      const error = sumError(rest, partial, sum)
      if (error !== 0) partials[used++] = error
      rest = sum
    }
    partials.length = used
    if (rest !== 0) partials.push(rest)
  }

  addProduct(a: number, b: number): void {
    const product = a * b
    this.add(product)
    this.add(productError(a, b, product))
  }

  get value(): number {
    return this.partials.reduce((sum, partial) => sum + partial, 0)
  }
}

/** The standard deviation of float32 numbers that come and go. */
class Deviation {
  #count = 0
  readonly #sum = new ExactSum()
  readonly #squares = new ExactSum()

  /** @param by 1: the number comes; −1: it goes */
  change(x: number, by: 1 | -1): void {
    this.#count += by
    this.#sum.add(by * x)
    // The square of a float32 is exact.
    this.#squares.add(by * x * x)
  }

  /** Of the population, √(n·Σx² − (Σx)²) / n; NaN: there are no numbers. */
  get value(): number {
    const spread = new ExactSum()
    for (const square of this.#squares.partials) spread.addProduct(this.#count, square)
    const { partials } = this.#sum
    for (const a of partials) for (const b of partials) spread.addProduct(-a, b)
    return Math.sqrt(spread.value) / this.#count
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
