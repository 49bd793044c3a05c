import type { Clock } from '../kernel/clock.ts'

const SECONDS = 60

/** How many things came a second, over the last minute or since it began. */
export class MinuteRate {
  readonly #clock: Pick<Clock, 'elapsedMs'>
  /** By second, modulo 60. */
  readonly #counts = new Float64Array(SECONDS)
  readonly #first: number
  #last: number

  constructor(clock: Pick<Clock, 'elapsedMs'>) {
    this.#clock = clock
    this.#first = this.#second()
    this.#last = this.#first
  }

  get perSecond(): number {
    this.#turn()
    const sum = this.#counts.reduce((total, count) => total + count, 0)
    return sum / Math.min(SECONDS, this.#last - this.#first + 1)
  }

  add(count: number): void {
    this.#turn()
    const at = this.#last % SECONDS
    this.#counts[at] = (this.#counts[at] as number) + count
  }

  /** Forgets the seconds that have passed since it was last called, a minute ago. */
  #turn(): void {
    const second = this.#second()
    const from = Math.max(this.#last + 1, second - SECONDS + 1)
    for (let passed = from; passed <= second; passed++) this.#counts[passed % SECONDS] = 0
    this.#last = second
  }

  #second(): number {
    return Math.floor(this.#clock.elapsedMs() / 1_000)
  }
}
