/** How close a score is to a number. */
export interface RegressionResult {
  readonly task: 'regression'
  readonly rows: number
  /** Mean of the absolute error. */
  readonly mae: number
  /** Root of the mean square of the error. */
  readonly rmse: number
  /** Share of the labels' variance that the scores explain; NaN when all labels are equal. */
  readonly r2: number
}

/** Collects scores of rows whose label is a number. */
export class RegressionAccuracy {
  #rows = 0
  #absolute = 0
  #squares = 0
  #mean = 0
  /** Sum of the squared distances of the labels from their mean: Welford (1962). */
  #spread = 0

  /**
   * @param score finite
   * @param label finite
   */
  add(score: number, label: number): void {
    this.#rows++
    const error = score - label
    this.#absolute += Math.abs(error)
    this.#squares += error * error
    const distance = label - this.#mean
    this.#mean += distance / this.#rows
    this.#spread += distance * (label - this.#mean)
  }

  get result(): RegressionResult {
    return {
      task: 'regression',
      rows: this.#rows,
      mae: this.#absolute / this.#rows,
      rmse: Math.sqrt(this.#squares / this.#rows),
      r2: this.#spread === 0 ? Number.NaN : 1 - this.#squares / this.#spread,
    }
  }
}
