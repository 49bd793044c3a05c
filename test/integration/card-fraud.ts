import { Kafka, logLevel } from 'kafkajs'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { partitionOf } from '../../src/records/partitioner.ts'
import { paymentLines } from '../bench/payments.ts'
import { placeOf } from '../golden/answers.ts'
import {
  freshName,
  freshTopics,
  type KafkaService,
  plainOptions,
  readTopic,
} from '../services/kafka.ts'
import type { Running } from '../services/tidemark.ts'
import { start } from '../services/tidemark-in-test.ts'

const PARTITIONS = 6
const TOPICS = ['payments', 'predictions', 'payments.dlq'] as const

type Topics = Readonly<Record<(typeof TOPICS)[number], string>>

/** By partition, an offset. */
type Offsets = ReadonlyMap<number, number>

/** card-fraud on topics of its own on a real Kafka: what was sent, who works on it, and what came of each event. */
export class CardFraud {
  readonly #kafka: KafkaService
  readonly #records: KafkaRecords
  readonly #topics: Topics
  readonly #flags: readonly string[]
  readonly #group = freshName('card-fraud')
  readonly #ends = new Map<number, number>()

  private constructor(
    kafka: KafkaService,
    records: KafkaRecords,
    { topics, flags }: { topics: Topics; flags: readonly string[] },
  ) {
    this.#kafka = kafka
    this.#records = records
    this.#topics = topics
    this.#flags = flags
  }

  static async on(kafka: KafkaService): Promise<CardFraud> {
    const records = new KafkaRecords(plainOptions(kafka))
    return new CardFraud(kafka, records, await freshTopics(records, TOPICS, PARTITIONS))
  }

  /** Where each partition of what was sent ends. */
  get ends(): Offsets {
    return this.#ends
  }

  /** Sends so many payments; those of another seed are others. */
  async send(count: number, seed: number): Promise<void> {
    const payments = [...paymentLines(count, seed)].map((line) => {
      const [key = '', value = ''] = line.split('\t')
      const bytes = { key: Buffer.from(key), value: Buffer.from(value) }
      const partition = partitionOf({ partition: null, key: bytes.key }, PARTITIONS)
      this.#ends.set(partition, (this.#ends.get(partition) ?? 0) + 1)
      const { payments: topic } = this.#topics
      return { topic, partition, ...bytes, timestampMs: Date.now(), headers: [] }
    })
    const writer = this.#records.writer()
    await writer.send(payments)
    await writer.close()
  }

  /** Starts a worker of its group. */
  run(...flags: readonly string[]): Running {
    const brokers = ['--brokers', this.#kafka.brokers.join(',')]
    const own = [...brokers, ...this.#flags, '--group', this.#group]
    return start(['run', 'topologies/card-fraud.ts', ...own, ...flags])
  }

  /** How often each payment, `partition/offset`, was answered by an output or a dead letter. */
  async answered(): Promise<Map<string, number>> {
    const times = new Map<string, number>()
    for (const topic of [this.#topics.predictions, this.#topics['payments.dlq']]) {
      for (const record of await readTopic(this.#records, topic)) {
        const { partition, offset } = placeOf(record)
        const place = `${partition}/${offset}`
        times.set(place, (times.get(place) ?? 0) + 1)
      }
    }
    return times
  }

  /** What its group has committed, asked without the driver under test. */
  async committed(): Promise<Offsets> {
    const admin = new Kafka({ brokers: this.#kafka.brokers, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    try {
      const topics = [this.#topics.payments]
      const [found] = await admin.fetchOffsets({ groupId: this.#group, topics })
      const known = found?.partitions.filter((p) => Number(p.offset) >= 0) ?? []
      return new Map(known.map((p) => [p.partition, Number(p.offset)]))
    } finally {
      await admin.disconnect()
    }
  }

  /** Resolves when everything that was sent is committed; asks until then. */
  async allCommitted(): Promise<void> {
    for (;;) {
      const committed = await this.committed()
      if ([...this.#ends].every(([partition, end]) => committed.get(partition) === end)) return
    }
  }

  close(): Promise<void> {
    return this.#records.close()
  }
}

/** The places below the offsets that nothing answers. */
export function unanswered(below: Offsets, answered: ReadonlyMap<string, number>): string[] {
  return [...below].flatMap(([partition, end]) =>
    Array.from({ length: end }, (_, offset) => `${partition}/${offset}`).filter(
      (place) => !answered.has(place),
    ),
  )
}
