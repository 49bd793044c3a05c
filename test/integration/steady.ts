import { wallClock } from '../../src/kernel/clock.ts'
import { ConditionVariable } from '../../src/kernel/condition-variable.ts'
import { type CardFraud, payments } from './card-fraud.ts'

/** More than any test sends. */
const PLENTY = 1_000_000
const SEED = 1
const SEND_EVERY_MS = 5

/** Payments at an even pace until it is stopped. */
export class SteadyPayments {
  readonly #cards: CardFraud
  readonly #changed = new ConditionVariable()
  readonly #done: Promise<void>
  #isStopped = false

  constructor(cards: CardFraud, perSecond: number) {
    this.#cards = cards
    this.#done = this.#send(perSecond)
  }

  /** Resolves when so many more have been sent. */
  more(count: number): Promise<void> {
    const until = this.#cards.sent.length + count
    return this.#changed.until(() => this.#cards.sent.length >= until)
  }

  /** Resolves when the last one stands in the log. */
  stop(): Promise<void> {
    this.#isStopped = true
    return this.#done
  }

  async #send(perSecond: number): Promise<void> {
    const stream = payments(PLENTY, SEED)
    const startMs = performance.now()
    let sent = 0
    while (!this.#isStopped) {
      const due = Math.floor(((performance.now() - startMs) / 1_000) * perSecond)
      // It is not closed by an iteration that ends early.
      await this.#cards.send(Array.from({ length: due - sent }, () => stream.next().value))
      sent = due
      this.#changed.notifyAll()
      await wallClock.sleep(SEND_EVERY_MS)
    }
  }
}
