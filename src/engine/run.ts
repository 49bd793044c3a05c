import type { TidemarkError } from '../kernel/errors.ts'
import type { Events } from '../plan/events.ts'
import type { Arrivals, EngineResult, Fault, Flow, LateEvents, WindowResult } from './events.ts'
import { threw } from './faults.ts'

/** `live`: with rows and results · `replay`: only the windows are kept, nothing comes out. */
export type Mode = 'live' | 'replay'

/** One chunk on its way through the operators: what has come of it. */
export class Run {
  readonly mode: Mode
  /** Indices of events that entered a tumbling window. */
  readonly windowed: number[] = []
  #arrivals: Arrivals[] = []
  readonly #late: LateEvents[] = []
  readonly #closed = new Map<string, number>()
  /** By what it befell: the first fault decides, an event is set aside once. */
  readonly #faults = new Map<number | WindowResult, Fault>()

  constructor(mode: Mode) {
    this.mode = mode
  }

  fault(of: number | WindowResult, step: string, error: TidemarkError): void {
    if (!this.#faults.has(of)) this.#faults.set(of, { of, step, error })
  }

  /** What befell an event, or a window's result; `null`: nothing. */
  faultOf(of: number | WindowResult): Fault | null {
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

  /** What has arrived since this was asked last. */
  takeArrivals(): readonly Arrivals[] {
    return this.#arrivals.splice(0)
  }

  /** Asks an author's function of each event; the indices of those of which it holds. */
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
      windowed: this.windowed,
      closed: this.#closed,
      watermarkMs,
    }
  }
}

/**
 * What is set aside when an event of a flow cannot go on: an early result is an answer to its
 * event, a final one is its own.
 */
export function subjectOf({ windows }: Flow, index: number): number | WindowResult {
  const window = windows?.[index]
  if (window === undefined) return index
  return window.isFinal ? window : (window.cause as number)
}
