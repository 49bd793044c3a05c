import type { Events } from '../columns/events.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type {
  EngineFault,
  EngineResult,
  FlowBatch,
  LateEvents,
  ReadyBatch,
  WindowResult,
} from './events.ts'
import { threw } from './faults.ts'

/**
 * `replay`: windows are filled, and nothing is produced. `preview`: nothing enters, and each event
 * is processed as if it were the next one.
 */
export type RunMode = 'live' | 'replay' | 'preview'

/** The results of one chunk while operators process it. */
export class ChunkRun {
  readonly mode: RunMode
  /** Identity of a preview, which may be attempted again; `null`: it is not a preview. */
  readonly previewed: object | null
  readonly windowed: number[] = []
  readonly duplicates: number[] = []
  readonly #ready: ReadyBatch[] = []
  readonly #late: LateEvents[] = []
  readonly #closed = new Map<string, number>()
  /** Only an event's first fault counts, because it is set aside once. */
  readonly #faults = new Map<number | WindowResult, EngineFault>()

  constructor(mode: RunMode, previewed: object | null = null) {
    this.mode = mode
    this.previewed = previewed
  }

  fault(subject: number | WindowResult, step: string, error: TidemarkError): void {
    if (!this.#faults.has(subject)) this.#faults.set(subject, { of: subject, step, error })
  }

  faultOf(subject: number | WindowResult): EngineFault | null {
    return this.#faults.get(subject) ?? null
  }

  ready(batch: ReadyBatch): void {
    this.#ready.push(batch)
  }

  late(step: string, indices: readonly number[]): void {
    if (indices.length > 0) this.#late.push({ step, indices })
  }

  closed(step: string, windows: number): void {
    if (windows > 0) this.#closed.set(step, (this.#closed.get(step) ?? 0) + windows)
  }

  /** The watermark after a batch, ms; a preview does not move it. @param beforeMs before it */
  watermarkAfter({ watermarksMs }: FlowBatch, beforeMs: number): number {
    return this.mode === 'preview' ? beforeMs : Math.max(beforeMs, watermarksMs.at(-1) ?? beforeMs)
  }

  takeReady(): readonly ReadyBatch[] {
    return this.#ready.splice(0)
  }

  /**
   * Evaluates an author's predicate. An event on which it throws is faulted. @returns those for
   * which it is true
   */
  each(step: string, batch: FlowBatch, holds: (events: Events, i: number) => boolean): number[] {
    return batch.indices.filter((index) => {
      try {
        return holds(batch.events, index)
      } catch (cause) {
        this.fault(subjectOf(batch, index), step, threw(cause, step))
        return false
      }
    })
  }

  result(watermarkMs: number): EngineResult {
    return {
      ready: this.takeReady(),
      faults: [...this.#faults.values()],
      late: this.#late,
      duplicates: this.duplicates,
      windowed: this.windowed,
      closed: this.#closed,
      watermarkMs,
    }
  }
}

/** The subject of a fault: a final result itself, or the event that caused an early result. */
export function subjectOf(
  { windows }: Pick<FlowBatch, 'windows'>,
  index: number,
): number | WindowResult {
  const window = windows?.[index]
  if (window === undefined) return index
  return window.isFinal ? window : (window.cause as number)
}
