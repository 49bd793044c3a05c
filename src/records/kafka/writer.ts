import { type Code, TidemarkError } from '../../kernel/errors.ts'
import type { NewRecords } from '../port.ts'
import { WrittenRecords } from '../written-records.ts'
import type { Brokers } from './brokers.ts'
import type { Sending } from './delivery.ts'
import type { Outgoing } from './outgoing.ts'
import { type DescribeTopics, Producer } from './producer.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import { initProducerId } from './wire/transactions.ts'

const SENDING = { transactionalId: null, joinsTransaction: false, withinMs: null }

/** What may pass while other records still get through. */
const PASSING: ReadonlySet<Code> = new Set<Code>(['COMMIT_TIMED_OUT', 'BROKER_UNAVAILABLE'])

/**
 * Writes records at least once, in order within each partition. Connects when first used. Keeps
 * what it learnt of a topic: partitions added later get no records by key until there is a new
 * writer.
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
   * Resolves when every record is acknowledged by all in-sync replicas, which takes as long as
   * acknowledgements keep coming. One at a time.
   * @param check asked before each request: may it still go out? Rejects with why not
   * @throws TidemarkError `COMMIT_FAILED` · `COMMIT_TIMED_OUT` · `BROKER_UNAVAILABLE` (some may
   * stand in the log: send all again) · `TOPIC_MISSING` · `TOPIC_LIMITS` · `AUTHENTICATION` ·
   * `INVARIANT`: another send is under way · what `check` throws
   */
  async send(records: NewRecords, check: () => Promise<void> | void = () => {}): Promise<void> {
    if (records.length === 0) return
    // Two sends at once would take the same sequence numbers, and the broker would drop one of them
    // as a repetition.
    if (this.#isSending) throw new TidemarkError('INVARIANT', 'two sends at once')
    this.#isSending = true
    try {
      await this.#connected()
      let left = WrittenRecords.of(records)
      while (left.length > 0) left = await this.#send(left, { ...SENDING, check })
    } finally {
      this.#isSending = false
    }
  }

  /**
   * @returns those that are still to be sent, fewer than before: what is acknowledged is not sent
   * again
   */
  async #send(records: WrittenRecords, sending: Sending): Promise<WrittenRecords> {
    let outgoing: readonly Outgoing[] = []
    try {
      if (this.#producer.identity === null) await this.#begin()
      outgoing = await this.#producer.encode(records, false)
      await this.#producer.send(outgoing, sending)
      return new WrittenRecords()
    } catch (error) {
      // Leaders may have batches under numbers that other records would get next, and would drop
      // those as repetitions.
      this.#producer.be(null)
      const left = new WrittenRecords()
      for (const to of outgoing) to.addTo(left)
      const isPassing = error instanceof TidemarkError && PASSING.has(error.code)
      if (!isPassing || left.length === 0 || left.length === records.length) throw error
      return left
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
        code === CODE.CLUSTER_AUTHORIZATION_FAILED ? 'AUTHORIZATION' : 'BROKER_UNAVAILABLE',
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
