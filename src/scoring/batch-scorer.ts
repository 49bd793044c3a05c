import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { Runner } from './runner.ts'
import type { Scorer, Scores } from './scorer.ts'

/** A runner and the largest batch it is given. */
export interface Lane {
  readonly rows: number
  readonly runner: Runner
}

/** Who is scoring: name, label and hash as in {@link Scorer}, and what goes in and comes out. */
export interface Identity {
  readonly name: string
  readonly label: string
  readonly sha256: string
  readonly features: number
  /** In the order they were declared. */
  readonly outputs: readonly string[]
}

/**
 * Cuts batches into pieces and gives each to the first lane that takes its size. `lanes`: at least one, the smallest first;
 * the last one's size is `maxBatch`. A lane runs one piece at a time, in the order they came.
 */
export class BatchScorer implements Scorer {
  readonly name: string
  readonly label: string
  readonly sha256: string
  readonly maxBatch: number
  readonly #identity: Identity
  readonly #lanes: readonly Queue[]
  #closing: Promise<unknown> | null = null

  constructor(identity: Identity, lanes: readonly Lane[]) {
    this.name = identity.name
    this.label = identity.label
    this.sha256 = identity.sha256
    this.maxBatch = Math.max(...lanes.map((lane) => lane.rows))
    this.#identity = identity
    this.#lanes = lanes.map((lane) => new Queue(lane))
  }

  async score(rows: Float32Array, count: number): Promise<Scores> {
    if (this.#closing !== null)
      throw new TidemarkError('INVARIANT', `${this.label} was asked after its close`)
    const pieces = await Promise.all(this.#pieces(rows, count))
    const { outputs } = this.#identity
    return Object.fromEntries(
      outputs.map((name, i) => [
        name,
        join(
          pieces.map((p) => p[i] as Float64Array),
          count,
        ),
      ]),
    )
  }

  async close(): Promise<void> {
    this.#closing ??= Promise.all(this.#lanes.map((lane) => lane.close()))
    await this.#closing
  }

  *#pieces(rows: Float32Array, count: number): Generator<Promise<Float64Array[]>> {
    const { features } = this.#identity
    for (let from = 0; from < count; from += this.maxBatch) {
      const to = Math.min(from + this.maxBatch, count)
      yield this.#run(rows.subarray(from * features, to * features), to - from)
    }
  }

  async #run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    const lane = this.#lanes.find((l) => count <= l.rows) as Queue
    try {
      return await lane.run(rows, count)
    } catch (error) {
      if (error instanceof TidemarkError) throw error
      const message = `${this.label} failed on a batch of ${count}: ${messageOf(error)}`
      throw new TidemarkError('SCORE_FAILED', message, { cause: error })
    }
  }
}

/** First in, first out, one at a time. */
class Queue {
  readonly rows: number
  readonly #runner: Runner
  #last: Promise<unknown> = Promise.resolve()

  constructor(lane: Lane) {
    this.rows = lane.rows
    this.#runner = lane.runner
  }

  run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    const result = this.#last.then(() => this.#runner.run(rows, count))
    this.#last = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    await this.#last
    await this.#runner.close()
  }
}

function join(pieces: readonly Float64Array[], count: number): Float64Array {
  const [first] = pieces
  if (first !== undefined && pieces.length === 1) return first
  const whole = new Float64Array(count)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
