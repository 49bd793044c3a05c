import { onTestFinished } from 'vitest'
import type { KafkaReader } from '../../src/connect/kafka/reader.ts'
import { ConditionVariable } from '../../src/kernel/condition-variable.ts'
import { placeOfId } from '../golden/answers.ts'
import { headerOf } from '../support/headers.ts'
import type { CardFraud } from './card-fraud.ts'

/** An output that had not come before. */
interface Arrival {
  readonly partition: number
  /** When it was received, as `performance.now()` tells it. */
  readonly atMs: number
}

/** The outputs of card-fraud as they are received, repeated ones once. */
export class LiveOutputs {
  readonly arrivals: Arrival[] = []
  readonly #ids = new Set<string>()
  readonly #changed = new ConditionVariable()

  static async of(cards: CardFraud): Promise<LiveOutputs> {
    const reader = await cards.follow()
    onTestFinished(() => reader.close())
    const outputs = new LiveOutputs()
    void outputs.#take(reader)
    return outputs
  }

  /** Resolves when something holds of what has come. */
  until(holds: (outputs: LiveOutputs) => boolean): Promise<void> {
    return this.#changed.until(() => holds(this))
  }

  async #take(reader: KafkaReader): Promise<void> {
    for await (const { records } of reader) {
      const atMs = performance.now()
      for (const record of records) {
        const id = headerOf(record, 'tidemark-id') as string
        if (this.#ids.has(id)) continue
        this.#ids.add(id)
        this.arrivals.push({ partition: placeOfId(id).partition, atMs })
      }
      this.#changed.notifyAll()
    }
  }
}
