import { columnToSortBy, sortedBy } from './row-order.ts'
import type { Runner } from './runner.ts'
import { type Cost, type MeasuredCost, measureCost } from './warm-up.ts'

/** A runner that can be measured where it runs. */
export interface MeasuredRunner extends Runner {
  /** As {@link measureCost}; without the order of {@link sortBy}. */
  measure(sample: Float32Array): Promise<MeasuredCost>
  /** As {@link columnToSortBy}. */
  columnToSortBy(sample: Float32Array, cost: Cost): Promise<number | null>
  /** Sorts the rows of later runs. @param column `null`: leaves them in their order */
  sortBy(column: number | null): void
}

/** Runs and measures a model on the calling thread. */
export class InlineRunner implements MeasuredRunner {
  readonly #plain: Runner
  #runner: Runner

  constructor(runner: Runner) {
    this.#plain = runner
    this.#runner = runner
  }

  run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    return this.#runner.run(rows, count)
  }

  measure(sample: Float32Array): Promise<MeasuredCost> {
    return measureCost(this.#plain, sample)
  }

  columnToSortBy(sample: Float32Array, cost: Cost): Promise<number | null> {
    return columnToSortBy(this.#plain, sample, cost)
  }

  sortBy(column: number | null): void {
    this.#runner = sortedBy(column, this.#plain)
  }

  close(): Promise<void> {
    return this.#plain.close()
  }
}
