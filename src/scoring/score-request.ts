import type { TidemarkError } from '../kernel/errors.ts'
import type { Answer, Scores } from './scorer.ts'

export interface Slice {
  readonly request: ScoreRequest
  readonly from: number
  readonly count: number
}

/** One call of `score`: its rows, and their scores as runs return. */
export class ScoreRequest {
  /** Row-major float32[count, features]. */
  readonly rows: Float32Array
  readonly count: number
  /** Whether others that wait go first. */
  readonly yields: boolean
  /** By `performance.now()`. */
  readonly sinceMs = performance.now()
  readonly answer: Promise<Answer>
  dispatched = 0
  readonly #columns: readonly Float64Array[]
  readonly #failed = new Set<number>()
  readonly #lost = new Set<number>()
  #resolve!: (answer: Answer) => void
  #reject!: (error: TidemarkError) => void
  #isAnswered = false
  /** The first rows, if there is a single lane. */
  #returned = 0
  #runMs = 0

  constructor(
    rows: Float32Array,
    count: number,
    { columns, yields }: { readonly columns: number; readonly yields: boolean },
  ) {
    this.rows = rows
    this.count = count
    this.yields = yields
    this.#columns = Array.from({ length: columns }, () => new Float64Array(count))
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get waiting(): number {
    return this.count - this.dispatched
  }

  get isWorking(): boolean {
    return this.#returned > this.#failed.size
  }

  /** @param scores of a batch in which the rows begin at `at` */
  take(
    { from, count }: Slice,
    { columns, failed }: Scores,
    { at, ms }: { at: number; ms: number },
  ): void {
    if (this.#isAnswered) return
    for (const [i, column] of columns.entries()) {
      this.#columns[i]?.set(column.subarray(at, at + count), from)
    }
    for (const row of failed) {
      if (row >= at && row < at + count) this.#failed.add(from + row - at)
    }
    this.#returned += count
    this.#runMs += ms
    if (this.#returned === this.count) this.#resolveNow()
  }

  /** Answers without the scores of the rows that have not come back. For a single lane only. */
  lose(): void {
    if (this.#isAnswered) return
    for (const column of this.#columns) column.fill(Number.NaN, this.#returned)
    for (let row = this.#returned; row < this.count; row++) this.#lost.add(row)
    this.#resolveNow()
  }

  fail(error: TidemarkError): void {
    this.#isAnswered = true
    this.#reject(error)
  }

  #resolveNow(): void {
    this.#isAnswered = true
    this.#resolve({
      columns: this.#columns,
      failed: this.#failed,
      lost: this.#lost,
      runMs: this.#runMs,
    })
  }
}
