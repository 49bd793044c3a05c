import { TidemarkError } from '../../kernel/errors.ts'
import type { NewRecord } from '../port.ts'
import type { Brokers } from './brokers.ts'
import { type DescribeTopics, Producer } from './producer.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import { initProducerId } from './wire/transactions.ts'

const SENDING = { transactionalId: null, joinsTransaction: false }

/**
 * Writes records at least once, in order within each partition. Connects when first used. Keeps what it learnt of a topic:
 * partitions added later get no records by key until there is a new writer.
 */
export class KafkaWriter {
  readonly #brokers: Brokers
  readonly #producer: Producer
  #connecting: Promise<void> | null = null
  #isSending = false

  constructor(brokers: Brokers, describe: DescribeTopics) {
    this.#brokers = brokers
    this.#producer = new Producer(brokers, describe)
  }

  /**
   * Resolves when every record is acknowledged by all in-sync replicas. One at a time.
   * @throws TidemarkError `COMMIT_FAILED` · `BROKER_UNAVAILABLE` (some may stand in the log: send all again) ·
   * `TOPIC_MISSING` · `TOPIC_LIMITS` · `AUTHENTICATION` · `INVARIANT`: another send is under way
   */
  async send(records: readonly NewRecord[]): Promise<void> {
    if (records.length === 0) return
    // Two sends at once would take the same sequence numbers, and the broker would drop one of them as a repetition.
    if (this.#isSending) throw new TidemarkError('INVARIANT', 'two sends at once')
    this.#isSending = true
    try {
      await this.#connected()
      if (this.#producer.identity === null) await this.#begin()
      await this.#producer.send(await this.#producer.encode(records, false), SENDING)
    } catch (error) {
      // Leaders may have batches under numbers that other records would get next, and would drop those as repetitions.
      this.#producer.be(null)
      throw error
    } finally {
      this.#isSending = false
    }
  }

  async close(): Promise<void> {
    this.#brokers.close()
  }

  async #begin(): Promise<void> {
    const { code, producer } = await this.#brokers.askAny(
      initProducerId(null, 0),
      (answer) => answer.code,
    )
    if (code !== CODE.NONE) {
      throw new TidemarkError(
        code === CODE.CLUSTER_AUTHORIZATION_FAILED ? 'AUTHENTICATION' : 'BROKER_UNAVAILABLE',
        `a producer without transactions is answered with ${nameOfCode(code)}`,
      )
    }
    this.#producer.be(producer)
  }

  #connected(): Promise<void> {
    this.#connecting ??= this.#brokers.connect().catch((error: unknown) => {
      this.#connecting = null
      throw error
    })
    return this.#connecting
  }
}
