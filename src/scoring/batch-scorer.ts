import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { scoreApart } from './bad-rows.ts'
import type { Runner } from './runner.ts'
import type { Answer, Evaluator, Scorer, Scores } from './scorer.ts'

/** A runner and the largest batch it is given now. */
export interface Lane {
  readonly rows: number
  readonly runner: Runner
  /** Is told how long a batch of so many rows took. @default nobody is told */
  ran?(rows: number, ms: number): void
}

/**
 * Who is scoring: name, label, hash and evaluator as in {@link Scorer}, and what goes in and comes
 * out.
 */
export interface Identity {
  readonly name: string
  readonly label: string
  readonly sha256: string
  readonly evaluator: Evaluator
  readonly features: number
  /** Numbers that a run gives for each row. */
  readonly columns: number
}

/** What one caller wants scored. */
interface Request {
  readonly rows: Float32Array
  readonly count: number
  /** Filled piece by piece: one array for each column, and the rows on which the model fails. */
  readonly columns: readonly Float64Array[]
  readonly failed: Set<number>
  readonly resolve: () => void
  readonly reject: (error: TidemarkError) => void
  /** Rows that have been given to a run. */
  given: number
  /** Rows that have come back. */
  scored: number
  /** Of the runs that its rows were in. */
  runMs: number
}

/** Rows of one request within a batch. */
interface Piece {
  readonly request: Request
  readonly from: number
  readonly count: number
  /** When the run began. */
  readonly sinceMs: number
}

/**
 * Runs what is there: rows that came in one turn of the event loop, or while a run was in flight,
 * go together, whoever sent them, up to `maxBatch`. Never waits for more. A batch goes to the first
 * lane that takes its size; a lane runs one at a time. `lanes`: at least one, the smallest first;
 * `maxBatch` is the size of the largest.
 */
export class BatchScorer implements Scorer {
  readonly name: string
  readonly label: string
  readonly sha256: string
  readonly evaluator: Evaluator
  readonly #identity: Identity
  readonly #lanes: readonly Lane[]
  readonly #busy = new Set<Lane>()
  readonly #waiting: Request[] = []
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
    return Math.max(...this.#lanes.map((lane) => lane.rows))
  }

  async score(rows: Float32Array, count: number): Promise<Answer> {
    if (this.#closing !== null) {
      throw new TidemarkError('INVARIANT', `${this.label} was asked after its close`)
    }
    const columns = Array.from({ length: this.#identity.columns }, () => new Float64Array(count))
    const failed = new Set<number>()
    if (count === 0) return { columns, failed, runMs: 0 }
    const request = await new Promise<Request>((resolve, reject) => {
      const answers = { columns, failed, given: 0, scored: 0, runMs: 0 }
      const asked: Request = { rows, count, ...answers, reject, resolve: () => resolve(asked) }
      this.#waiting.push(asked)
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
   * When all that is to be scored in this turn of the event loop has come: several partitions'
   * records arrive together.
   */
  #dispatchSoon(): void {
    if (this.#isDispatching) return
    this.#isDispatching = true
    setImmediate(() => {
      this.#isDispatching = false
      this.#dispatch()
    })
  }

  /** Starts what can be started. */
  #dispatch(): void {
    while (this.#waitingRows > 0) {
      const count = Math.min(this.#waitingRows, this.maxBatch)
      const lane = this.#lanes.find(({ rows }) => count <= rows) as Lane
      if (this.#busy.has(lane)) return
      this.#busy.add(lane)
      void this.#run(lane, this.#take(count), count)
    }
    if (this.#busy.size === 0) this.#idle?.()
  }

  /** The next rows, of as many requests as it takes. */
  #take(count: number): Piece[] {
    const pieces: Piece[] = []
    const sinceMs = performance.now()
    this.#waitingRows -= count
    for (let left = count; left > 0; ) {
      const request = this.#waiting[0] as Request
      const piece = {
        request,
        from: request.given,
        count: Math.min(left, request.count - request.given),
        sinceMs,
      }
      pieces.push(piece)
      left -= piece.count
      request.given += piece.count
      if (request.given === request.count) this.#waiting.shift()
    }
    return pieces
  }

  async #run(lane: Lane, pieces: readonly Piece[], count: number): Promise<void> {
    try {
      await this.#scorePieces(lane, pieces, count)
    } catch (error) {
      const failure =
        error instanceof TidemarkError ? error : new TidemarkError('INVARIANT', messageOf(error))
      for (const { request } of pieces) this.#fail(request, failure)
    } finally {
      this.#busy.delete(lane)
      this.#dispatch()
    }
  }

  /**
   * Together; when that fails, each piece by itself, so that only those who sent bad rows have the
   * trouble.
   */
  async #scorePieces(lane: Lane, pieces: readonly Piece[], count: number): Promise<void> {
    try {
      const rows = this.#rowsOf(pieces, count)
      const startMs = performance.now()
      const columns = await lane.runner.run(rows, count)
      lane.ran?.(count, performance.now() - startMs)
      this.#handOut(pieces, { columns, failed: NONE })
    } catch (error) {
      if (error instanceof TidemarkError) throw error
      const [piece] = pieces
      if (piece !== undefined && pieces.length === 1) return await this.#scoreApart(lane, piece)
      for (const one of pieces) await this.#scorePieces(lane, [one], one.count)
    }
  }

  /** The rows of a piece that has failed by itself. */
  async #scoreApart({ runner }: Lane, piece: Piece): Promise<void> {
    const { count, request } = piece
    const { columns } = this.#identity
    const scores = await scoreApart(runner, { rows: this.#rowsOf([piece], count), count, columns })
    if (scores !== null) this.#handOut([piece], scores)
    else {
      // ONNX Runtime's own words may hold what the rows hold.
      const message = `${this.label} fails on so many of ${count} rows that they are not looked for one by one`
      this.#fail(request, new TidemarkError('MODEL_FAILING', message))
    }
  }

  #rowsOf(pieces: readonly Piece[], count: number): Float32Array {
    const { features } = this.#identity
    const rowsOf = ({ request, from, count: rows }: Piece) =>
      request.rows.subarray(from * features, (from + rows) * features)
    const [first] = pieces
    if (first !== undefined && pieces.length === 1) return rowsOf(first)
    const batch = new Float32Array(count * features)
    let at = 0
    for (const piece of pieces) {
      batch.set(rowsOf(piece), at)
      at += piece.count * features
    }
    return batch
  }

  #handOut(pieces: readonly Piece[], { columns, failed }: Scores): void {
    let at = 0
    const nowMs = performance.now()
    for (const { request, from, count, sinceMs } of pieces) {
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

  /** What of the request still waits is not run any more. */
  #fail(request: Request, failure: TidemarkError): void {
    if (this.#waiting[0] === request) {
      this.#waiting.shift()
      this.#waitingRows -= request.count - request.given
    }
    request.reject(failure)
  }
}

const NONE: ReadonlySet<number> = new Set()
