import { type Clock, wallClock } from '../kernel/clock.ts'

/** Maps event times to real time, starting with the first event. */
export class Pace {
  readonly #speed: number
  readonly #clock: Clock
  readonly #stop = new AbortController()
  #first: { readonly eventMs: number; readonly realMs: number } | null = null

  /** @param speed ms of event time per ms of real time; Infinity: no event is ever early */
  constructor(speed: number, clock: Clock = wallClock) {
    this.#speed = speed
    this.#clock = clock
  }

  /** Whether it has been stopped. */
  get stopped(): boolean {
    return this.#stop.signal.aborted
  }

  /** Ends every wait. */
  stop(): void {
    this.#stop.abort()
  }

  /** How long until an event is due, ms; 0 or less if it is due. */
  earlyByMs(eventMs: number): number {
    this.#first ??= { eventMs, realMs: this.#clock.elapsedMs() }
    const dueMs = this.#first.realMs + (eventMs - this.#first.eventMs) / this.#speed
    return dueMs - this.#clock.elapsedMs()
  }

  /** Resolves when the event is due. */
  wait(eventMs: number): Promise<void> {
    return this.#clock.sleep(this.earlyByMs(eventMs), this.#stop.signal)
  }
}
