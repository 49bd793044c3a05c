import { type Clock, wallClock } from '../kernel/clock.ts'

export class ReplayPace {
  readonly #speed: number
  readonly #clock: Clock
  readonly #stop: AbortSignal
  #first: { readonly eventMs: number; readonly realMs: number } | null = null

  /** @param speed ms of event time per ms of real time; Infinity: no event is ever early */
  constructor(speed: number, stop: AbortSignal, clock: Clock = wallClock) {
    this.#speed = speed
    this.#stop = stop
    this.#clock = clock
  }

  get isOver(): boolean {
    return this.#stop.aborted
  }

  /**
   * Yields items in order, as many at a time as are due, until it is stopped.
   * @param timeOf the event time of an item, ms since the epoch; `null`: it is due at once
   */
  async *due<T>(
    items: Iterable<T>,
    timeOf: (item: T) => number | null,
  ): AsyncGenerator<readonly T[]> {
    let due: T[] = []
    for (const item of items) {
      const timeMs = timeOf(item)
      if (timeMs !== null && this.#earlyByMs(timeMs) > 0) {
        if (due.length > 0) yield due
        due = []
        await this.#clock.sleep(this.#earlyByMs(timeMs), this.#stop)
      }
      if (this.isOver) return
      due.push(item)
    }
    yield due
  }

  #earlyByMs(eventMs: number): number {
    this.#first ??= { eventMs, realMs: this.#clock.elapsedMs() }
    const dueMs = this.#first.realMs + (eventMs - this.#first.eventMs) / this.#speed
    return dueMs - this.#clock.elapsedMs()
  }
}
