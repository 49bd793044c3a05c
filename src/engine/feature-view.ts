/**
 * The features of one event by name, for an author's function. It is the same object for every
 * event: it reads the row that it was moved to last.
 */
export class FeatureView {
  /** What the function gets. */
  readonly features: Readonly<Record<string, number>>
  readonly #width: number
  readonly #beside: number
  #rows: Float32Array = new Float32Array(0)
  #carried: Float64Array = new Float64Array(0)
  #row = 0

  /** @param names of the columns of a row @param carried of the features beside it */
  constructor(names: readonly string[], carried: readonly string[]) {
    this.#width = names.length
    this.#beside = carried.length
    const view = {}
    const define = (name: string, get: () => number | undefined) =>
      Object.defineProperty(view, name, { enumerable: true, get })
    for (const [column, name] of names.entries()) {
      define(name, () => this.#rows[this.#row * this.#width + column])
    }
    for (const [column, name] of carried.entries()) {
      define(name, () => this.#carried[this.#row * this.#beside + column])
    }
    this.features = view
  }

  /** Moves to a row. */
  move(rows: Float32Array, carried: Float64Array, row: number): void {
    this.#rows = rows
    this.#carried = carried
    this.#row = row
  }
}
