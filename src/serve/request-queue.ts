import { TidemarkError } from '../kernel/errors.ts'
import type { Answer, Scorer } from '../scoring/scorer.ts'
import { type HttpRequest, tooLate } from './request.ts'
import { gone, LATER, RequestFault } from './request-fault.ts'

/** Batches that may wait before more are refused. */
const MOST_BATCHES = 8

interface Waiting {
  readonly rows: Float32Array
  readonly count: number
  readonly request: Pick<HttpRequest, 'headers' | 'untilMs' | 'isOver'>
  readonly resolve: (columns: readonly Float64Array[]) => void
  readonly reject: (fault: unknown) => void
}

/**
 * The rows of requests before a scorer. Rows that wait when a batch is over form the next one,
 * without those whose deadline has passed or whose client is gone.
 */
export class RequestQueue {
  readonly #scorer: Scorer
  readonly #features: number
  #waiting: Waiting[] = []
  #rows = 0
  #isBusy = false

  /** @param features of a row */
  constructor(scorer: Scorer, features: number) {
    this.#scorer = scorer
    this.#features = features
  }

  /**
   * @param rows row-major float32[count, features]
   * @returns a finite number a row for each of the model's `scoreColumns`
   * @throws RequestFault 429: too many rows wait · 503, 504: too late · 422: the model fails
   * on a row · 503: the model does not run
   */
  score(rows: Float32Array, request: Waiting['request']): Promise<readonly Float64Array[]> {
    const count = rows.length / this.#features
    if (this.#rows > 0 && this.#rows + count > MOST_BATCHES * this.#scorer.maxBatch) {
      throw new RequestFault(429, `${this.#rows} rows wait already`, LATER)
    }
    this.#rows += count
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, count, request, resolve, reject })
      if (!this.#isBusy) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#isBusy = true
    // Requests that come in the same turn form one batch.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) await this.#run(this.#next())
    this.#isBusy = false
  }

  #next(): readonly Waiting[] {
    const batch: Waiting[] = []
    let [taken, rows] = [0, 0]
    for (const waiter of this.#waiting) {
      try {
        refuseIfVain(waiter.request)
        if (rows > 0 && rows + waiter.count > this.#scorer.maxBatch) break
        batch.push(waiter)
        rows += waiter.count
      } catch (fault) {
        waiter.reject(fault)
      }
      taken++
      this.#rows -= waiter.count
    }
    this.#waiting = this.#waiting.slice(taken)
    return batch
  }

  async #run(batch: readonly Waiting[]): Promise<void> {
    const count = batch.reduce((sum, waiter) => sum + waiter.count, 0)
    if (count === 0) return
    try {
      const answer = await this.#scorer.score(together(batch, count * this.#features), count, true)
      let from = 0
      for (const waiter of batch) {
        answerTo(waiter, answer, from)
        from += waiter.count
      }
    } catch (error) {
      const isFailing = error instanceof TidemarkError && error.code === 'MODEL_FAILING'
      const fault = isFailing
        ? new RequestFault(422, 'the model fails on these rows')
        : new RequestFault(503, 'the model does not run', LATER)
      for (const { reject } of batch) reject(fault)
    }
  }
}

/** @throws RequestFault nobody waits for the answer any more */
export function refuseIfVain(request: Waiting['request']): void {
  if (request.isOver) throw gone()
  if (request.untilMs <= performance.now()) throw tooLate(request)
}

function together(batch: readonly Waiting[], length: number): Float32Array {
  const [only] = batch
  if (only !== undefined && batch.length === 1) return only.rows
  const all = new Float32Array(length)
  let at = 0
  for (const { rows } of batch) {
    all.set(rows, at)
    at += rows.length
  }
  return all
}

function answerTo({ count, resolve, reject }: Waiting, answer: Answer, from: number): void {
  const columns = answer.columns.map((column) => column.subarray(from, from + count))
  for (let row = 0; row < count; row++) {
    if (!answer.failed.has(from + row) && isFiniteIn(columns, row)) continue
    const where = `row ${row}`
    return reject(new RequestFault(422, 'the model has no finite score for it', { where }))
  }
  resolve(columns)
}

/** Whether each column has a finite number in a row. In a loop, because rows are many. */
function isFiniteIn(columns: readonly Float64Array[], row: number): boolean {
  for (const column of columns) if (!Number.isFinite(column[row])) return false
  return true
}
