import type { Engine } from '../../src/engine/engine.ts'
import type { EventBatch } from '../../src/engine/events.ts'

export interface Given {
  readonly key: string
  readonly timeMs: number
  readonly event: unknown
  /** @default its event time */
  readonly recordTimeMs?: number
}

/** Events as an engine takes them. */
export function batchOf({ keyNumbers }: Engine, events: readonly Given[]): EventBatch {
  return {
    count: events.length,
    keys: events.map(({ key }) => keyNumbers.numberOf(key)),
    timesMs: Float64Array.from(events, ({ timeMs }) => timeMs),
    recordTimesMs: Float64Array.from(events, ({ timeMs, recordTimeMs = timeMs }) => recordTimeMs),
    events: events.map(({ event }) => event),
  }
}
