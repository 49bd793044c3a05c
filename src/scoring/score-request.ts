import type { TidemarkError } from '../kernel/errors.ts'
import type { Answer, Scores } from './scorer.ts'

/** Some rows of a request that are in one batch. */
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
  /** When it was made, as `performance.now()`. */
  readonly sinceMs = performance.now()
  readonly answer: Promise<Answer>
  /** How many of its rows have been passed to a run. */
  dispatched = 0
  readonly #columns: readonly Float64Array[]
  readonly #failed = new Set<number>()
  readonly #lost = new Set<number>()
  #resolve!: (answer: Answer) => void
  #reject!: (error: TidemarkError) => void
  #isAnswered = false
  /** How many of its rows have come back; they are the first ones if there is a single lane. */
  #returned = 0
  #runMs = 0

  /** @param columns how many numbers a run returns for each row */
  constructor(rows: Float32Array, count: number, columns: number) {
    this.rows = rows
    this.count = count
    this.#columns = Array.from({ length: columns }, () => new Float64Array(count))
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** How many of its rows wait to be passed to a run. */
  get waiting(): number {
    return this.count - this.dispatched
  }

  /** Whether any of its rows has been scored. */
  get isWorking(): boolean {
    return this.#returned > this.#failed.size
  }

  /**
   * Takes the scores of some of its rows.
   *
   * @param scores of a batch in which its rows begin at row `at`
   * @param ms how long the batch took
   */
  take({ from, count }: Slice, { columns, failed }: Scores, { at, ms }: Returned): void {
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

  /** Answers with an error. */
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

/** Where rows are in a batch, and how long it took, ms. */
interface Returned {
  readonly at: number
  readonly ms: number
}
