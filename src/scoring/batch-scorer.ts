import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { scoreApart } from './bad-rows.ts'
import { BatchLimit } from './batch-limit.ts'
import type { Runner } from './runner.ts'
import type { Answer, Evaluator, Scorer, Scores } from './scorer.ts'

/** A runner and the largest batch that it currently gets. */
export interface Lane {
  readonly rows: number
  readonly runner: Runner
  /** Called after each batch with its number of rows and how long it took, ms. @default none */
  ran?(rows: number, ms: number): void
}

/**
 * Which model scores: name, label, hash and evaluator as in {@link Scorer}, and how many numbers go
 * in and come out.
 */
export interface Identity {
  readonly name: string
  readonly label: string
  readonly sha256: string
  readonly evaluator: Evaluator
  readonly features: number
  /** How many numbers a run returns for each row. */
  readonly columns: number
}

/** One call of `score`. */
interface ScoreRequest {
  readonly rows: Float32Array
  readonly count: number
  /** One array for each column; filled as runs finish. */
  readonly columns: readonly Float64Array[]
  /** Rows on which the model fails; filled as runs finish. */
  readonly failed: Set<number>
  readonly resolve: () => void
  readonly reject: (error: TidemarkError) => void
  /** How many of its rows have been passed to a run. */
  dispatched: number
  /** How many of its rows have come back. */
  scored: number
  /** Total time of the runs that its rows were in. */
  runMs: number
}

/** The rows of one request that are in one batch. */
interface Slice {
  readonly request: ScoreRequest
  readonly from: number
  readonly count: number
  /** When the run started. */
  readonly sinceMs: number
}

/**
 * Batches the rows of all callers. Rows that arrive in one turn of the event loop, or while a run
 * is in flight, form one batch of up to `maxBatch` rows; it never waits for more. A batch goes to
 * the first lane that is large enough; a lane runs one batch at a time. `lanes`: at least one, the
 * smallest first; `maxBatch` is the size of the largest.
 */
export class BatchScorer implements Scorer {
  readonly name: string
  readonly label: string
  readonly sha256: string
  readonly evaluator: Evaluator
  readonly #identity: Identity
  readonly #lanes: readonly Lane[]
  readonly #busy = new Set<Lane>()
  readonly #limit = new BatchLimit()
  readonly #waiting: ScoreRequest[] = []
  #waitingRows = 0
  #isDispatching = false
  #idle: (() => void) | null = null
  #closing: Promise<void> | null = null

  constructor(identity: Identity, lanes: readonly Lane[]) {
    this.name = identity.name
    this.label = identity.label
    this.sha256 = identity.sha256
    this.evaluator = identity.evaluator
    this.#identity = identity
    this.#lanes = lanes
  }

  get maxBatch(): number {
    return Math.min(this.#limit.rows, Math.max(...this.#lanes.map((lane) => lane.rows)))
  }

  async score(rows: Float32Array, count: number): Promise<Answer> {
    if (this.#closing !== null) {
      throw new TidemarkError('INVARIANT', `${this.label} was asked to score after it was closed`)
    }
    const columns = Array.from({ length: this.#identity.columns }, () => new Float64Array(count))
    const failed = new Set<number>()
    if (count === 0) return { columns, failed, runMs: 0 }
    const request = await new Promise<ScoreRequest>((resolve, reject) => {
      const progress = { columns, failed, dispatched: 0, scored: 0, runMs: 0 }
      const own: ScoreRequest = { rows, count, ...progress, reject, resolve: () => resolve(own) }
      this.#waiting.push(own)
      this.#waitingRows += count
      this.#dispatchSoon()
    })
    return { columns, failed, runMs: request.runMs }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#busy.size > 0 || this.#isDispatching) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    await Promise.all(this.#lanes.map(({ runner }) => runner.close()))
  }

  /**
   * Dispatches at the end of this turn of the event loop, since records of several partitions
   * arrive together.
   */
  #dispatchSoon(): void {
    if (this.#isDispatching) return
    this.#isDispatching = true
    setImmediate(() => {
      this.#isDispatching = false
      this.#dispatch()
    })
  }

  /** Starts a run for each batch whose lane is free. */
  #dispatch(): void {
    while (this.#waitingRows > 0) {
      const count = Math.min(this.#waitingRows, this.maxBatch)
      const lane = this.#lanes.find(({ rows }) => count <= rows) as Lane
      if (this.#busy.has(lane)) return
      this.#busy.add(lane)
      void this.#run(lane, this.#nextSlices(count), count)
    }
    if (this.#busy.size === 0) this.#idle?.()
  }

  /** Removes the next `count` rows from the queue, from one request or several. */
  #nextSlices(count: number): Slice[] {
    const slices: Slice[] = []
    const sinceMs = performance.now()
    this.#waitingRows -= count
    for (let left = count; left > 0; ) {
      const request = this.#waiting[0] as ScoreRequest
      const slice = {
        request,
        from: request.dispatched,
        count: Math.min(left, request.count - request.dispatched),
        sinceMs,
      }
      slices.push(slice)
      left -= slice.count
      request.dispatched += slice.count
      if (request.dispatched === request.count) this.#waiting.shift()
    }
    return slices
  }

  async #run(lane: Lane, slices: readonly Slice[], count: number): Promise<void> {
    try {
      if (await this.#scoreTogether(lane, slices)) this.#limit.scored(count)
      else {
        this.#limit.failed(this.maxBatch)
        await this.#scoreEach(lane, slices)
      }
    } catch (error) {
      const failure =
        error instanceof TidemarkError ? error : new TidemarkError('INVARIANT', messageOf(error))
      for (const { request } of slices) this.#fail(request, failure)
    } finally {
      this.#busy.delete(lane)
      this.#dispatch()
    }
  }

  /** @returns whether the model has scored all rows */
  async #scoreTogether(lane: Lane, slices: readonly Slice[]): Promise<boolean> {
    const rows = this.#rowsOf(slices)
    const count = rows.length / this.#identity.features
    try {
      const startMs = performance.now()
      const columns = await lane.runner.run(rows, count)
      lane.ran?.(count, performance.now() - startMs)
      this.#distribute(slices, { columns, failed: NONE })
      return true
    } catch (error) {
      if (error instanceof TidemarkError) throw error
      return false
    }
  }

  /** Scores slices that have failed together, each without its bad rows. */
  async #scoreEach(lane: Lane, slices: readonly Slice[]): Promise<void> {
    for (const slice of slices) {
      // Only the requests with bad rows are affected.
      if (slices.length > 1 && (await this.#scoreTogether(lane, [slice]))) continue
      await this.#scoreApart(lane, slice)
    }
  }

  async #scoreApart({ runner }: Lane, slice: Slice): Promise<void> {
    const { count, request } = slice
    const { columns } = this.#identity
    const isWorking = request.scored > request.failed.size
    const batch = { rows: this.#rowsOf([slice]), count, columns, isWorking }
    const scores = await scoreApart(runner, batch)
    if (scores !== null) this.#distribute([slice], scores)
    else {
      this.#limit.lift()
      // ONNX Runtime's own message is left out: it may contain values of the rows.
      const message = `${this.label} fails on ${count} rows, and none was found that it can score`
      this.#fail(request, new TidemarkError('MODEL_FAILING', message))
    }
  }

  #rowsOf(slices: readonly Slice[]): Float32Array {
    const { features } = this.#identity
    const rowsOf = ({ request, from, count: rows }: Slice) =>
      request.rows.subarray(from * features, (from + rows) * features)
    const [first] = slices
    if (first !== undefined && slices.length === 1) return rowsOf(first)
    const all = slices.reduce((sum, { count }) => sum + count, 0)
    const batch = new Float32Array(all * features)
    let at = 0
    for (const slice of slices) {
      batch.set(rowsOf(slice), at)
      at += slice.count * features
    }
    return batch
  }

  #distribute(slices: readonly Slice[], { columns, failed }: Scores): void {
    let at = 0
    const nowMs = performance.now()
    for (const { request, from, count, sinceMs } of slices) {
      for (const [i, column] of columns.entries()) {
        request.columns[i]?.set(column.subarray(at, at + count), from)
      }
      for (const row of failed) {
        if (row >= at && row < at + count) request.failed.add(from + row - at)
      }
      at += count
      request.scored += count
      request.runMs += nowMs - sinceMs
      if (request.scored === request.count) request.resolve()
    }
  }

  /** Rejects the request and drops its rows that still wait. */
  #fail(request: ScoreRequest, failure: TidemarkError): void {
    if (this.#waiting[0] === request) {
      this.#waiting.shift()
      this.#waitingRows -= request.count - request.dispatched
    }
    request.reject(failure)
  }
}

const NONE: ReadonlySet<number> = new Set()
