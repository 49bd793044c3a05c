import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ShadowRows } from '../../../engine/events.ts'
import { messageOf, TidemarkError } from '../../../kernel/errors.ts'
import { Parity } from '../../../scoring/parity.ts'
import type { Answer } from '../../../scoring/scorer.ts'
import type { StepModel } from '../../../scoring/step-models.ts'
import type { BestEffortWriter, ShadowReporting } from './best-effort-writer.ts'
import { type KeptRows, keepRows, type OfferedEvents, picked } from './kept-rows.ts'
import type { ShadowOutputs } from './shadow-outputs.ts'

const TELL_EVERY_MS = 1_000

interface ShadowTopic {
  readonly sink: string
  readonly outputs: ShadowOutputs
  readonly writer: BestEffortWriter
}

export interface ShadowParts extends ShadowReporting {
  readonly model: StepModel
  /** How many more rows may wait for the shadows of a worker, or be scored by them. */
  readonly room: { rows: number }
  /** `null`: the scores are only compared. */
  readonly topic: ShadowTopic | null
}

/** A shadow's scores of rows that were kept. */
interface Said {
  readonly rows: readonly number[]
  readonly columns: readonly Float64Array[]
}

/**
 * A shadow in a worker: scores events whose main score is known, one batch after the other, and
 * compares. Nothing waits for it, and nothing in it throws.
 */
export class RunningShadow {
  readonly #parts: ShadowParts
  readonly #waiting: KeptRows[] = []
  readonly #parity = new Parity(null)
  /** Cancels the next telling of the parity; `null`: nothing is untold. */
  #cancel: (() => void) | null = null
  #held = 0
  #isOff = false

  constructor(parts: ShadowParts) {
    this.#parts = parts
  }

  get isIdle(): boolean {
    return this.#held === 0 && (this.#parts.topic?.writer.isIdle ?? true)
  }

  /** Takes events, as far as there is room for them. */
  offer(chosen: ShadowRows, events: OfferedEvents): void {
    try {
      this.#take(chosen, events)
    } catch (error) {
      this.#end(messageOf(error))
    }
  }

  #take({ rows, unfit }: ShadowRows, events: OfferedEvents): void {
    const { model, room, topic } = this.#parts
    const hasRoom = !this.#isOff && rows.length <= room.rows
    this.#tellRows({ scored: 0, failed: unfit, dropped: hasRoom ? 0 : rows.length })
    if (!hasRoom || rows.length === 0) return
    const isScoring = this.#held > 0
    room.rows -= rows.length
    this.#held += rows.length
    this.#waiting.push(keepRows(events, rows, { model, sink: topic?.sink ?? null }))
    if (!isScoring) void this.#score()
  }

  stop(): void {
    this.#isOff = true
    const dropped = this.#waiting.splice(0).reduce((sum, { count }) => sum + count, 0)
    this.#release(dropped)
    this.#tellRows({ scored: 0, failed: 0, dropped })
  }

  /** Ends what {@link stop} has left. */
  async close(): Promise<void> {
    this.#tellParity()
    await this.#parts.topic?.writer.close()
  }

  async #score(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Events on their way to the main models come first.
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

  /** The rows of one run, but at least those that have waited longest. */
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
    let said: Said | null = null
    try {
      said = await askFor(kept, this.#parts.model)
      if (said !== null) this.#follow(kept, said)
    } finally {
      const scored = said?.rows.length ?? 0
      this.#release(kept.count)
      this.#tellRows({ scored, failed: kept.count - scored, dropped: 0 })
    }
  }

  #follow(kept: KeptRows, { rows, columns }: Said): void {
    if (rows.length === 0) return
    const { topic, clock } = this.#parts
    const [[main], [shadowScores]] = [kept.main, columns] as [[Float64Array], [Float64Array]]
    this.#parity.add(picked(main, rows), picked(shadowScores, rows), rows.length)
    this.#cancel ??= clock.after(TELL_EVERY_MS, () => this.#tellParity())
    topic?.writer.offer(topic.outputs.of(kept, rows, columns))
  }

  #end(reason: string): void {
    const { observer, labels } = this.#parts
    if (!this.#isOff) observer({ type: 'trouble', kind: 'shadow-off', ...labels, reason })
    this.stop()
  }

  #tellParity(): void {
    if (this.#cancel === null) return
    this.#cancel()
    this.#cancel = null
    const { labels, observer } = this.#parts
    const { pairs, meanDifference, meanAbsoluteDifference, ...more } = this.#parity.result
    const means = { mean: meanDifference, absoluteMean: meanAbsoluteDifference }
    observer({
      type: 'shadow-parity',
      ...labels,
      pairs,
      difference: { ...means, ...more.quantiles },
      psi: more.psi?.value ?? null,
    })
  }

  #tellRows(counts: Record<'scored' | 'failed' | 'dropped', number>): void {
    const { scored, failed, dropped } = counts
    if (scored + failed + dropped === 0) return
    this.#parts.observer({ type: 'shadow-rows', ...this.#parts.labels, ...counts })
  }

  #release(rows: number): void {
    this.#held -= rows
    this.#parts.room.rows += rows
  }
}

/**
 * Asks a model for kept rows; `null`: it fails on all of them.
 * @throws TidemarkError when it can score nothing any more
 */
async function askFor({ rows, count }: KeptRows, { scorer, common }: StepModel) {
  let answer: Answer
  try {
    answer = await scorer.score(rows, count)
  } catch (error) {
    if (error instanceof TidemarkError && error.code === 'MODEL_FAILING') return null
    throw error
  }
  const { columns, failed } = answer
  const scored: number[] = []
  for (let row = 0; row < count; row++) {
    if (failed.has(row) || !columns.every((column) => Number.isFinite(column[row]))) continue
    scored.push(row)
  }
  return { rows: scored, columns: common.map((column) => columns[column] as Float64Array) }
}
