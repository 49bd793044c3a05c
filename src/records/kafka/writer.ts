import type { Kafka, Producer } from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import type { NewRecord, TopicInfo } from '../port.ts'
import { connected, disconnect } from './connection.ts'
import { fromKafka } from './errors.ts'
import { type Request, requestsOf, unanswered } from './requests.ts'

/** Looks topics up. */
export type DescribeTopics = (names: readonly string[]) => Promise<ReadonlyMap<string, TopicInfo>>

/**
 * Writes records at least once, in order within each partition. Connects when first used. Keeps what it learnt of a topic:
 * partitions added later get no records by key until there is a new writer.
 */
export class KafkaWriter {
  readonly #kafka: Kafka
  readonly #describe: DescribeTopics
  readonly #topics = new Map<string, TopicInfo>()
  #producer: Promise<Producer> | null = null
  #sending = false

  constructor(kafka: Kafka, describe: DescribeTopics) {
    this.#kafka = kafka
    this.#describe = describe
  }

  /**
   * Resolves when every record is acknowledged by all in-sync replicas. One at a time.
   * @throws TidemarkError `COMMIT_FAILED` · `BROKER_UNAVAILABLE` (some may stand in the log: send all again) ·
   * `TOPIC_MISSING` · `TOPIC_LIMITS` · `AUTHENTICATION` · `INVARIANT`: another send is under way
   */
  async send(records: readonly NewRecord[]): Promise<void> {
    if (records.length === 0) return
    // Two sends at once would take the same sequence numbers, and the broker would drop one of them as a repetition.
    if (this.#sending) throw new TidemarkError('INVARIANT', 'two sends at once')
    this.#sending = true
    try {
      await this.#learn(records)
      for (const request of requestsOf(records, this.#topics)) await this.#request(request)
    } finally {
      this.#sending = false
    }
  }

  async close(): Promise<void> {
    const producer = this.#producer
    this.#producer = null
    if (producer !== null) await disconnect(producer)
  }

  async #learn(records: readonly NewRecord[]): Promise<void> {
    const unknown = new Set<string>()
    for (const { topic } of records) if (!this.#topics.has(topic)) unknown.add(topic)
    if (unknown.size === 0) return
    const described = await this.#describe([...unknown])
    for (const topic of unknown) {
      const info = described.get(topic)
      if (info === undefined) {
        throw new TidemarkError('TOPIC_MISSING', `topic "${topic}" does not exist`)
      }
      this.#topics.set(topic, info)
    }
  }

  async #request(request: Request): Promise<void> {
    try {
      const producer = await this.#connected()
      const answers = await producer.sendBatch({ acks: -1, topicMessages: request })
      const missing = unanswered(request, answers)
      if (missing.length > 0) {
        throw new TidemarkError('COMMIT_FAILED', `no acknowledgement for ${missing.join(', ')}`)
      }
    } catch (error) {
      // After a failed send the library goes back to sequence numbers that the broker may have seen, and other records
      // sent under them would be dropped as repetitions. A new producer has numbers of its own.
      void this.close()
      throw fromKafka(error, 'COMMIT_FAILED')
    }
  }

  #connected(): Promise<Producer> {
    this.#producer ??= connected(
      this.#kafka.producer({
        idempotent: true,
        allowAutoTopicCreation: false,
        createPartitioner:
          () =>
          ({ message }) =>
            message.partition ?? 0,
        // About 10 s: a leader election passes, and a broker that is gone is told.
        retry: { retries: 8, initialRetryTime: 100, maxRetryTime: 2_000 },
      }),
    )
    return this.#producer
  }
}
