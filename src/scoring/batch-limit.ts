/** Batches are not made smaller than this, rows: in 32 rows a bad one is found in 10 runs. */
const LEAST_ROWS = 32

/**
 * The largest batch of a model that fails on some rows. The search for them takes long in a large
 * batch, and all its rows wait for it; so the limit is halved by each batch with a bad row, and
 * grows again with those without, until it limits nothing (additive increase, multiplicative
 * decrease: Crankshaw et al., Clipper, NSDI 2017).
 */
export class BatchLimit {
  #rows = Number.POSITIVE_INFINITY

  /** Rows; at first +Infinity. */
  get rows(): number {
    return this.#rows
  }

  /** The model fails on a row of a batch. @param most the largest batch at that time */
  failed(most: number): void {
    this.#rows = Math.max(LEAST_ROWS, Math.floor(most / 2))
  }

  /** No row of a batch was found that the model can score: a larger one may have some. */
  lift(): void {
    this.#rows = Number.POSITIVE_INFINITY
  }

  /** The model has scored all rows of a batch. */
  scored(count: number): void {
    if (count >= this.#rows) this.#rows += LEAST_ROWS
  }
}
