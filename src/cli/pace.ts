import { type Clock, wallClock } from '../kernel/clock.ts'

/** Maps event times to real time, starting with the first event. */
export class ReplayPace {
  readonly #speed: number
  readonly #clock: Clock
  readonly #stop = new AbortController()
  #first: { readonly eventMs: number; readonly realMs: number } | null = null

  /** @param speed ms of event time per ms of real time; Infinity: no event is ever early */
  constructor(speed: number, clock: Clock = wallClock) {
    this.#speed = speed
    this.#clock = clock
  }

  get stopped(): boolean {
    return this.#stop.signal.aborted
  }

  stop(): void {
    this.#stop.abort()
  }

  /** How long until an event is due, ms; 0 or less if it is due. */
  earlyByMs(eventMs: number): number {
    this.#first ??= { eventMs, realMs: this.#clock.elapsedMs() }
    const dueMs = this.#first.realMs + (eventMs - this.#first.eventMs) / this.#speed
    return dueMs - this.#clock.elapsedMs()
  }

  wait(eventMs: number): Promise<void> {
    return this.#clock.sleep(this.earlyByMs(eventMs), this.#stop.signal)
  }
}

/** Short enough to look like a stream, ms. */
const TICK_MS = 20
/** The most records per batch; between two batches the worker gets to run. */
const MOST_RECORDS = 500

interface Timed {
  /** When it is due, ms. */
  readonly timestampMs: number
}

interface PaceOptions {
  /** How long all records take, s; 0: as fast as they are consumed. */
  readonly seconds: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Yields records, in order of time, when they are due; all times are scaled by one factor. */
export async function* paced<T extends Timed>(
  records: readonly T[],
  { seconds, clock, signal }: PaceOptions,
): AsyncGenerator<readonly T[]> {
  const pace = new ReplayPace(spanMs(records) / (seconds * 1_000), clock)
  for (let next = 0; next < records.length && !signal.aborted; ) {
    const waiting = records.slice(next, next + MOST_RECORDS)
    const early = waiting.findIndex(({ timestampMs }) => pace.earlyByMs(timestampMs) > 0)
    const due = early === -1 ? waiting : waiting.slice(0, early)
    if (due.length > 0) yield due
    next += due.length
    await clock.sleep(seconds === 0 ? 0 : TICK_MS, signal)
  }
}

export function spanMs(records: readonly Timed[]): number {
  return (records.at(-1)?.timestampMs ?? 0) - (records[0]?.timestampMs ?? 0)
}
