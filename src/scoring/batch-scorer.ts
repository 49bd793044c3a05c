import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { Lane } from './lanes.ts'
import { isLackOfMemory } from './memory-limit.ts'
import { BatchLimit, scoreApart } from './poison-rows.ts'
import { costMs, type Runner } from './runner.ts'
import { ScoreRequest, type Slice } from './score-request.ts'
import { type Answer, NO_ROWS, type Scorer, type ScorerState, type Scores } from './scorer.ts'
import { watchRun } from './thread-runner.ts'

/** How long closing waits for the runs in flight, ms. */
const CLOSE_WITHIN_MS = 5_000

interface Identity {
  readonly label: string
  readonly features: number
  readonly columns: number
  /**
   * Latency budget of a guarded model, ms: rows are given up after about two. @default rows wait
   */
  readonly guardMs?: number
}

/** Descriptions of a model that its scorers repeat. */
export type About = Pick<Scorer, 'name' | 'label' | 'sha256' | 'evaluator' | 'size' | 'float32'>

interface Batch {
  readonly lane: Lane
  readonly slices: readonly Slice[]
  readonly rows: number
  readonly startMs: number
  isGivenUp: boolean
}

/**
 * Rows that arrive in one turn of the event loop, or during a run, form one batch of up to
 * `maxBatch` rows; none waits for more. It goes to the first lane that is large enough. `lanes`:
 * the smallest first; a guarded model has a single one.
 */
export class BatchScorer implements Omit<Scorer, keyof About> {
  readonly #identity: Identity
  readonly #lanes: readonly Lane[]
  readonly #busy = new Map<Lane, Batch>()
  readonly #limit = new BatchLimit()
  readonly #waiting: ScoreRequest[] = []
  #waitingRows = 0
  #state: ScorerState = 'open'
  #isDispatching = false
  #idle: (() => void) | null = null
  #closing: Promise<void> | null = null

  constructor(identity: Identity, lanes: readonly Lane[]) {
    this.#identity = identity
    this.#lanes = lanes
  }

  get maxBatch(): number {
    return Math.min(this.#limit.rows, Math.max(...this.#lanes.map((lane) => lane.rows)))
  }

  get state(): ScorerState {
    return this.#state
  }

  answerMs(rows: number): number {
    if (this.#state !== 'open') return Number.POSITIVE_INFINITY
    const most = this.maxBatch
    const all = this.#waitingRows + rows
    const last = all % most
    const whole = Math.floor(all / most) * costMs(this.#laneFor(most).cost, most)
    const rest = last === 0 ? 0 : costMs(this.#laneFor(last).cost, last)
    return this.#busyMs(this.#laneFor(Math.min(all, most))) + whole + rest
  }

  passOver(): void {
    if (this.#busy.size > 0 || this.#waitingRows > 0) return
    for (const lane of this.#lanes) lane.passedOver?.()
  }

  #busyMs(lane: Lane): number {
    const batch = this.#busy.get(lane)
    if (batch === undefined) return 0
    return Math.max(0, batch.startMs + costMs(lane.cost, batch.rows) - performance.now())
  }

  #laneFor(count: number): Lane {
    return this.#lanes.find(({ rows }) => count <= rows) as Lane
  }

  async score(rows: Float32Array, count: number, yields = false): Promise<Answer> {
    if (this.#closing !== null) {
      const message = `${this.#identity.label} was asked to score after it was closed`
      throw new TidemarkError('INVARIANT', message)
    }
    const request = new ScoreRequest(rows, count, { columns: this.#identity.columns, yields })
    if (count === 0 || this.#state !== 'open') request.lose()
    else {
      this.#enqueue(request)
      this.#waitingRows += count
      this.#dispatchSoon()
    }
    return request.answer
  }

  /** Rows go before those that yield and have not begun. */
  #enqueue(request: ScoreRequest): void {
    const behind = request.yields
      ? -1
      : this.#waiting.findIndex(({ yields, dispatched }) => yields && dispatched === 0)
    if (behind < 0) this.#waiting.push(request)
    else this.#waiting.splice(behind, 0, request)
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    if ((this.#busy.size > 0 && this.#state === 'open') || this.#isDispatching) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
        setTimeout(resolve, CLOSE_WITHIN_MS).unref()
      })
    }
    await Promise.all(this.#lanes.map(({ runner }) => runner.close()))
  }

  /** Dispatches at the end of this turn, because records of several partitions arrive together. */
  #dispatchSoon(): void {
    if (this.#isDispatching) return
    this.#isDispatching = true
    setImmediate(() => {
      this.#isDispatching = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    while (this.#waitingRows > 0) {
      const count = Math.min(this.#waitingRows, this.maxBatch)
      const lane = this.#laneFor(count)
      if (this.#busy.has(lane)) return
      const [slices, startMs] = [this.#nextSlices(count), performance.now()]
      const batch = { lane, slices, rows: count, startMs, isGivenUp: false }
      this.#busy.set(lane, batch)
      void this.#run(batch)
    }
    if (this.#busy.size === 0) this.#idle?.()
  }

  #nextSlices(count: number): Slice[] {
    const slices: Slice[] = []
    this.#waitingRows -= count
    for (let left = count; left > 0; ) {
      const request = this.#waiting[0] as ScoreRequest
      const slice = { request, from: request.dispatched, count: Math.min(left, request.waiting) }
      slices.push(slice)
      left -= slice.count
      request.dispatched += slice.count
      if (request.waiting === 0) this.#waiting.shift()
    }
    return slices
  }

  async #run(batch: Batch): Promise<void> {
    const { lane, slices, rows } = batch
    const returned = this.#watch(batch)
    try {
      if (await this.#scoreTogether(batch, slices)) this.#limit.scored(rows)
      else {
        this.#limit.failed(this.maxBatch)
        await this.#scoreEach(batch)
      }
    } catch (error) {
      const failure =
        error instanceof TidemarkError ? error : new TidemarkError('INVARIANT', messageOf(error))
      const isGuarded = this.#identity.guardMs !== undefined
      if (isGuarded && failure.code === 'MODEL_LOST') this.#lose(slices, 'ended')
      else for (const { request } of slices) this.#fail(request, failure)
    } finally {
      returned()
      if (batch.isGivenUp && this.#state === 'hung') this.#state = 'open'
      this.#busy.delete(lane)
      this.#dispatch()
    }
  }

  /** Gives up rows of a guarded model. @returns to be called when they have come back */
  #watch(batch: Batch): () => void {
    const { guardMs } = this.#identity
    if (guardMs === undefined) return () => {}
    const waitedMs = batch.startMs - (batch.slices[0] as Slice).request.sinceMs
    return watchRun({ ms: Math.max(guardMs, 2 * guardMs - waitedMs), timers: 1 }, () => {
      batch.isGivenUp = true
      this.#lose(batch.slices, 'hung')
      this.#idle?.()
    })
  }

  #lose(slices: readonly Slice[], state: ScorerState): void {
    this.#state = state
    for (const { request } of slices) request.lose()
    for (const request of this.#waiting.splice(0)) request.lose()
    this.#waitingRows = 0
  }

  async #scoreTogether(batch: Batch, slices: readonly Slice[]): Promise<boolean> {
    const { lane } = batch
    const rows = this.#rowsOf(slices)
    const count = rows.length / this.#identity.features
    try {
      const startMs = performance.now()
      const columns = await this.#runnerOf(batch).run(rows, count)
      if (!batch.isGivenUp) lane.ran?.(count, performance.now() - startMs)
      distribute(batch, slices, { columns, failed: NO_ROWS })
      return true
    } catch (error) {
      if (error instanceof TidemarkError) throw error
      return false
    }
  }

  async #scoreEach(batch: Batch): Promise<void> {
    const { slices } = batch
    for (const slice of slices) {
      // Only the requests with poison rows are affected.
      if (slices.length > 1 && (await this.#scoreTogether(batch, [slice]))) continue
      await this.#scoreApart(batch, slice)
    }
  }

  async #scoreApart(batch: Batch, slice: Slice): Promise<void> {
    const { count, request } = slice
    const { columns, label } = this.#identity
    const { isWorking } = request
    const failed = { rows: this.#rowsOf([slice]), count, columns, isWorking }
    const scores = await scoreApart(this.#runnerOf(batch), failed)
    if (scores !== null) distribute(batch, [slice], scores)
    else {
      this.#limit.lift()
      // ONNX Runtime's own message is left out: it may contain values of the rows.
      const message = `${label} fails on ${count} rows, and none was found that it can score`
      this.#fail(request, new TidemarkError('MODEL_FAILING', message))
    }
  }

  /** The lane's runner until the batch is given up: its rows may be overwritten afterwards. */
  #runnerOf(batch: Batch): Pick<Runner, 'run'> {
    const { runner } = batch.lane
    return {
      run: async (rows, count) => {
        if (batch.isGivenUp) throw new TidemarkError('INVARIANT', 'its rows were given up')
        try {
          return await runner.run(rows, count)
        } catch (error) {
          if (!isLackOfMemory(error)) throw error
          const message = `${this.#identity.label} lacks the memory to score one row`
          throw new TidemarkError('MODEL_FAILING', message)
        }
      },
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

  #fail(request: ScoreRequest, failure: TidemarkError): void {
    if (this.#waiting[0] === request) {
      this.#waiting.shift()
      this.#waitingRows -= request.waiting
    }
    request.fail(failure)
  }
}

function distribute({ startMs }: Batch, slices: readonly Slice[], scores: Scores): void {
  let at = 0
  const ms = performance.now() - startMs
  for (const slice of slices) {
    slice.request.take(slice, scores, { at, ms })
    at += slice.count
  }
}
