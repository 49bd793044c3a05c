import type { Clock } from '../../kernel/clock.ts'
import { Pace } from '../pace.ts'
import type { DemoRecord } from './flights.ts'

/** Short enough to look like a stream, ms. */
const TICK_MS = 20
/** The most records per batch; between two batches the worker gets to run. */
const MOST_RECORDS = 500

/** How fast records are replayed. */
export interface PaceOptions {
  /** How long all records take, s; 0: as fast as they are consumed. */
  readonly seconds: number
  readonly clock: Clock
  /** Ends it early. */
  readonly signal: AbortSignal
}

/**
 * Yields records when they are due, with all times scaled by the same factor. They must be in order
 * of time.
 */
export async function* paced(
  records: readonly DemoRecord[],
  { seconds, clock, signal }: PaceOptions,
): AsyncGenerator<readonly DemoRecord[]> {
  const pace = new Pace(spanMs(records) / (seconds * 1_000), clock)
  for (let next = 0; next < records.length && !signal.aborted; ) {
    const waiting = records.slice(next, next + MOST_RECORDS)
    const early = waiting.findIndex(({ timestampMs }) => pace.earlyByMs(timestampMs) > 0)
    const due = early === -1 ? waiting : waiting.slice(0, early)
    if (due.length > 0) yield due
    next += due.length
    await clock.sleep(seconds === 0 ? 0 : TICK_MS, signal)
  }
}

/** Time from the first record to the last, ms. */
export function spanMs(records: readonly DemoRecord[]): number {
  return (records.at(-1)?.timestampMs ?? 0) - (records[0]?.timestampMs ?? 0)
}
