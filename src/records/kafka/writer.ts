import { type Code, TidemarkError } from '../../kernel/errors.ts'
import type { NewRecords, Writer } from '../port.ts'
import { WrittenRecords } from '../written-records.ts'
import type { Brokers } from './brokers.ts'
import type { Sending } from './delivery.ts'
import type { Outgoing } from './outgoing.ts'
import type { Producer } from './producer.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import { initProducerId } from './wire/transactions.ts'

const SENDING = { transactionalId: null, joinsTransaction: false, withinMs: null }

/** Errors that may pass, so that the remaining records can be sent again. */
const PASSING: ReadonlySet<Code> = new Set<Code>(['COMMIT_TIMED_OUT', 'BROKER_UNAVAILABLE'])

/**
 * Writes records under at-least-once, in order within each partition. Connects when first used.
 * Caches what it learns about a topic: partitions that are added later get no records by key until
 * there is a new writer.
 */
export class KafkaWriter implements Writer {
  readonly #brokers: Brokers
  readonly #producer: Producer
  #connecting: Promise<void> | null = null
  #isSending = false

  constructor(brokers: Brokers, producer: Producer) {
    this.#brokers = brokers
    this.#producer = producer
  }

  /**
   * Resolves when every record is acknowledged by all in-sync replicas. It may take as long as
   * acknowledgements keep coming. One at a time.
   * @param check called before each request: may it still be sent? If not, rejects with the reason
   * @throws TidemarkError `COMMIT_FAILED` · `COMMIT_TIMED_OUT` · `BROKER_UNAVAILABLE` (some records
   * may be in the log: send all of them again) · `TOPIC_MISSING` · `TOPIC_LIMITS` ·
   * `AUTHENTICATION` · `INVARIANT`: another send is in flight · what `check` throws
   */
  async send(records: NewRecords, check: () => Promise<void> | void = () => {}): Promise<void> {
    if (records.length === 0) return
    // Two concurrent sends would use the same sequence numbers, and the broker would drop one of
    // them as a duplicate.
    if (this.#isSending)
      throw new TidemarkError('INVARIANT', 'send was called while another send is in flight')
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
   * @returns the records still to be sent, fewer than before: what is acknowledged is not sent
   * again
   */
  async #send(records: WrittenRecords, sending: Sending): Promise<WrittenRecords> {
    let outgoing: readonly Outgoing[] = []
    try {
      if (this.#producer.identity === null) await this.#initialise()
      outgoing = await this.#producer.encode(records, false)
      await this.#producer.send(outgoing, sending)
      return new WrittenRecords()
    } catch (error) {
      // Leaders may have batches under sequence numbers that other records would get next, and
      // would drop those records as duplicates.
      this.#producer.useIdentity(null)
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

  async #initialise(): Promise<void> {
    const { code, producer } = await this.#brokers.askAny(
      initProducerId(null, 0),
      (answer) => answer.code,
    )
    if (code !== CODE.NONE) {
      throw new TidemarkError(
        code === CODE.CLUSTER_AUTHORIZATION_FAILED ? 'AUTHORIZATION' : 'BROKER_UNAVAILABLE',
        `the broker answered InitProducerId without a transactional id with ${nameOfCode(code)}`,
      )
    }
    this.#producer.useIdentity(producer)
  }

  #connected(): Promise<void> {
    this.#connecting ??= this.#brokers.connect().catch((error: unknown) => {
      this.#connecting = null
      throw error
    })
    return this.#connecting
  }
}
