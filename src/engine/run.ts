import type { TidemarkError } from '../kernel/errors.ts'
import type { Events } from '../columns/events.ts'
import type {
  Arrivals,
  EngineFault,
  EngineResult,
  Flow,
  LateEvents,
  WindowResult,
} from './events.ts'
import { threw } from './faults.ts'

/**
 * `live`: rows and results are produced · `replay`: only the windows are filled, nothing is
 * produced.
 */
export type RunMode = 'live' | 'replay'

/** Collects the results of one chunk while the operators process it. */
export class ChunkRun {
  readonly mode: RunMode
  /** Indices of events that entered a tumbling window. */
  readonly windowed: number[] = []
  /** Indices of events that a step found to be duplicates. */
  readonly duplicates: number[] = []
  #arrivals: Arrivals[] = []
  readonly #late: LateEvents[] = []
  readonly #closed = new Map<string, number>()
  /** By event or window result. Only the first fault counts: an event is set aside once. */
  readonly #faults = new Map<number | WindowResult, EngineFault>()

  constructor(mode: RunMode) {
    this.mode = mode
  }

  /** Records a fault of an event or a window's result, unless it already has one. */
  fault(of: number | WindowResult, step: string, error: TidemarkError): void {
    if (!this.#faults.has(of)) this.#faults.set(of, { of, step, error })
  }

  /** The fault of an event or of a window's result; `null`: it has none. */
  faultOf(of: number | WindowResult): EngineFault | null {
    return this.#faults.get(of) ?? null
  }

  arrive(...arrivals: readonly Arrivals[]): void {
    this.#arrivals.push(...arrivals)
  }

  late(step: string, indices: readonly number[]): void {
    if (indices.length > 0) this.#late.push({ step, indices })
  }

  closed(step: string, windows: number): void {
    if (windows > 0) this.#closed.set(step, (this.#closed.get(step) ?? 0) + windows)
  }

  /** Returns and clears the arrivals that were added since the last call. */
  takeArrivals(): readonly Arrivals[] {
    return this.#arrivals.splice(0)
  }

  /**
   * Evaluates an author's predicate on each event. Returns the indices of those for which it is
   * true; an event on which it throws is faulted.
   */
  each(step: string, flow: Flow, holds: (events: Events, index: number) => boolean): number[] {
    return flow.indices.filter((index) => {
      try {
        return holds(flow.events, index)
      } catch (cause) {
        this.fault(subjectOf(flow, index), step, threw(cause, step))
        return false
      }
    })
  }

  /** @param watermarkMs after the last event */
  result(watermarkMs: number): EngineResult {
    return {
      arrivals: this.takeArrivals(),
      faults: [...this.#faults.values()],
      late: this.#late,
      duplicates: this.duplicates,
      windowed: this.windowed,
      closed: this.#closed,
      watermarkMs,
    }
  }
}

/**
 * What is set aside when an event of a flow fails: for an early result, the event that caused it; a
 * final result is set aside itself.
 */
export function subjectOf({ windows }: Flow, index: number): number | WindowResult {
  const window = windows?.[index]
  if (window === undefined) return index
  return window.isFinal ? window : (window.cause as number)
}
