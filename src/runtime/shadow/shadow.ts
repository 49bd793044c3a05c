import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Arrivals } from '../../engine/events.ts'
import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import type { Scorer } from '../../scoring/scorer.ts'
import type { StepAnswer } from '../../scoring/step-answer.ts'
import type { StepModel } from '../../scoring/step-models.ts'
import type { Following } from '../outputs.ts'
import type { BestEffortWriter } from './best-effort-writer.ts'
import { type KeptRows, keepRows, picked } from './kept-rows.ts'
import type { QueueRoom } from './queue-room.ts'
import type { ShadowChoice } from './shadow-choice.ts'
import type { ShadowOutputs } from './shadow-outputs.ts'
import type { ShadowReport } from './shadow-report.ts'

/** Events that have been scored, and their chunk. */
export interface ScoredEvents {
  readonly arrivals: Arrivals
  readonly scores: StepAnswer
  readonly from: Following
}

/** Where the outputs of a shadow go. */
interface ShadowTopic {
  /** Name of the sink, in ids. */
  readonly sink: string
  readonly outputs: ShadowOutputs
  readonly writer: BestEffortWriter
}

/** What a {@link Shadow} works with. */
export interface ShadowParts {
  readonly model: StepModel
  readonly choice: ShadowChoice
  /** Shared by all shadows of the worker. */
  readonly room: QueueRoom
  /** `null`: its scores are only compared. */
  readonly topic: ShadowTopic | null
  readonly report: ShadowReport
  /** Called when something has changed. */
  readonly changed: () => void
}

/** Scores of the rows that were kept, by a shadow. */
interface Said {
  /** Those that it has scored. */
  readonly rows: readonly number[]
  /** The outputs of the step. */
  readonly columns: readonly Float64Array[]
}

/**
 * A shadow in a worker: scores events whose main score is known already, one batch after the other,
 * and compares. Nothing waits for it, and nothing that it does throws.
 */
export class Shadow {
  readonly #parts: ShadowParts
  readonly #waiting: KeptRows[] = []
  /** Rows that wait or are being scored. */
  #held = 0
  #isOff = false

  constructor(parts: ShadowParts) {
    this.#parts = parts
  }

  /** Is nothing left to be scored or written? */
  get isIdle(): boolean {
    return this.#held === 0 && (this.#parts.topic?.writer.isIdle ?? true)
  }

  /** Takes events, as far as there is room for them. */
  offer(events: ScoredEvents): void {
    try {
      this.#take(events)
    } catch (error) {
      this.#end(messageOf(error))
    }
  }

  #take({ arrivals, scores, from }: ScoredEvents): void {
    const { model, choice, room, topic, report } = this.#parts
    const chosen = choice.rows(arrivals, scores)
    const fit = choice.fit(chosen, arrivals)
    const hasRoom = !this.#isOff && room.take(fit.length)
    const dropped = hasRoom ? 0 : fit.length
    report.rows({ scored: 0, failed: chosen.length - fit.length, dropped })
    if (!hasRoom || fit.length === 0) return
    const isScoring = this.#held > 0
    this.#held += fit.length
    this.#waiting.push(
      keepRows({ arrivals, scores }, fit, { model, sink: topic?.sink ?? null, from }),
    )
    if (!isScoring) void this.#score()
  }

  /** Drops what waits. What is being scored may still come. */
  stop(): void {
    this.#isOff = true
    this.#drop()
  }

  /** Ends what {@link stop} has left. */
  async close(): Promise<void> {
    this.#parts.report.tell()
    await this.#parts.topic?.writer.close()
  }

  async #score(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Events that are on their way to the main models come first.
      await nextTurn()
      const batch = this.#nextBatch()
      try {
        // They are scored in one run, as rows of several partitions are.
        await Promise.all(batch.map((kept) => this.#scoreOne(kept)))
      } catch (error) {
        this.#end(messageOf(error))
      }
      this.#parts.changed()
    }
  }

  /** What fits into one run, but at least what has waited longest. */
  #nextBatch(): KeptRows[] {
    const most = this.#parts.model.scorer.maxBatch
    let rows = 0
    const batch: KeptRows[] = []
    for (const kept of this.#waiting) {
      if (batch.length > 0 && rows + kept.count > most) break
      rows += kept.count
      batch.push(kept)
    }
    this.#waiting.splice(0, batch.length)
    return batch
  }

  async #scoreOne(kept: KeptRows): Promise<void> {
    const { model, report } = this.#parts
    let said: Said | null = null
    try {
      said = await askFor(kept, model)
      if (said !== null) this.#follow(kept, said)
    } finally {
      const scored = said?.rows.length ?? 0
      this.#release(kept.count)
      report.rows({ scored, failed: kept.count - scored, dropped: 0 })
    }
  }

  /** Compares, and writes outputs. */
  #follow(kept: KeptRows, { rows, columns }: Said): void {
    const { topic, report } = this.#parts
    const [[main], [own]] = [kept.main, columns] as [[Float64Array], [Float64Array]]
    report.compare(picked(main, rows), picked(own, rows))
    if (topic !== null && rows.length > 0) topic.writer.offer(topic.outputs.of(kept, rows, columns))
  }

  #end(reason: string): void {
    if (!this.#isOff) this.#parts.report.off(reason)
    this.#isOff = true
    this.#drop()
  }

  #drop(): void {
    const dropped = this.#waiting.splice(0).reduce((sum, { count }) => sum + count, 0)
    this.#release(dropped)
    this.#parts.report.rows({ scored: 0, failed: 0, dropped })
  }

  #release(rows: number): void {
    this.#held -= rows
    this.#parts.room.giveBack(rows)
  }
}

/**
 * Asks a model for the rows that were kept. `null`: it fails on all of them.
 * @throws TidemarkError: it can score nothing any more
 */
async function askFor(
  { rows, count }: KeptRows,
  { scorer, common }: StepModel,
): Promise<Said | null> {
  const answer = await orFailing(scorer, rows, count)
  if (answer === null) return null
  const { columns, failed } = answer
  const scored: number[] = []
  for (let row = 0; row < count; row++) {
    if (failed.has(row) || !columns.every((column) => Number.isFinite(column[row]))) continue
    scored.push(row)
  }
  return {
    rows: scored,
    columns: common.map((own) => columns[own] as Float64Array),
  }
}

async function orFailing(scorer: Scorer, rows: Float32Array, count: number) {
  try {
    return await scorer.score(rows, count)
  } catch (error) {
    if (error instanceof TidemarkError && error.code === 'MODEL_FAILING') return null
    throw error
  }
}
