import { Kafka, logLevel } from 'kafkajs'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { KafkaWriter } from '../../src/connect/kafka/produce/producer.ts'
import type { KafkaReader } from '../../src/connect/kafka/reader.ts'
import { partitionOf } from '../../src/connect/memory/log.ts'
import { loadNamed } from '../../src/host/topology-files.ts'
import type { GroupStatusJob } from '../../src/jobs/group-status.ts'
import { paymentLines } from '../bench/payments.ts'
import { type Outcome, outcomeOf, type Place, placeOf } from '../golden/answers.ts'
import { until } from '../services/cluster.ts'
import { openTransactions } from '../services/foreign.ts'
import {
  freshName,
  freshTopics,
  type KafkaService,
  plainOptions,
  readTopic,
} from '../services/kafka.ts'
import type { Running } from '../services/tidemark.ts'
import { start } from '../services/tidemark-in-test.ts'

export const PARTITIONS = 6
const TOPICS = ['payments', 'predictions', 'payments.dlq'] as const

type Topics = Readonly<Record<(typeof TOPICS)[number], string>>

/** By partition, an offset. */
type Offsets = ReadonlyMap<number, number>

/** A record of the input. */
interface Line {
  readonly key: string
  readonly value: string
}

/** Invented payments; those of another seed are others. */
export function* payments(count: number, seed: number): Generator<Line> {
  for (const line of paymentLines(count, seed)) {
    const [key = '', value = ''] = line.split('\t')
    yield { key, value }
  }
}

/** W1, whose answers are known, with its features in the outputs. */
export const WITH_FEATURES = 'test/golden/topologies/w1.ts'

/**
 * card-fraud on topics of its own on a real Kafka: what was sent, who works on it, and what came of
 * each event.
 */
export class CardFraud {
  readonly #kafka: KafkaService
  readonly #records: KafkaRecords
  readonly #writer: KafkaWriter
  readonly #topics: Topics
  readonly #run: readonly string[]
  readonly #group: string
  readonly #ends = new Map<number, number>()
  readonly #sent: (Line & Place)[] = []

  private constructor(
    kafka: KafkaService,
    records: KafkaRecords,
    { topics, group, run }: { topics: Topics; group: string; run: readonly string[] },
  ) {
    this.#kafka = kafka
    this.#records = records
    this.#writer = records.writer()
    this.#topics = topics
    this.#group = group
    this.#run = run
  }

  /** @param reach how workers reach the brokers @default without security */
  static async on(
    kafka: KafkaService,
    topology = 'topologies/card-fraud.ts',
    reach: readonly string[] = ['--brokers', kafka.brokers.join(',')],
  ): Promise<CardFraud> {
    const records = new KafkaRecords(plainOptions(kafka))
    const { topics, flags } = await freshTopics(records, TOPICS, PARTITIONS)
    const run = [topology, ...reach, ...flags]
    return new CardFraud(kafka, records, { topics, group: freshName('card-fraud'), run })
  }

  /** On the topics that it names itself, with workers that others have started. */
  static among(kafka: KafkaService): CardFraud {
    const topics = {
      payments: 'payments',
      predictions: 'predictions',
      'payments.dlq': 'payments.dlq',
    }
    const records = new KafkaRecords(plainOptions(kafka))
    return new CardFraud(kafka, records, { topics, group: 'card-fraud', run: [] })
  }

  /** Where each partition of what was sent ends. */
  get ends(): Offsets {
    return this.#ends
  }

  /** All that was sent, in its order, each with its place in the log. */
  get sent(): readonly (Line & Place)[] {
    return this.#sent
  }

  /** Resolves when all lines stand in the log. One at a time. */
  async send(lines: Iterable<Line>): Promise<void> {
    const topic = this.#topics.payments
    const batch = [...lines].map((line) => {
      const bytes = { key: Buffer.from(line.key), value: Buffer.from(line.value) }
      const partition = partitionOf({ partition: null, key: bytes.key }, PARTITIONS)
      const offset = this.#ends.get(partition) ?? 0
      this.#ends.set(partition, offset + 1)
      this.#sent.push({ ...line, partition, offset })
      return { topic, partition, ...bytes, timestampMs: Date.now(), headers: [] }
    })
    await this.#writer.write(batch)
  }

  /** Starts a worker of its group. */
  run(...flags: readonly string[]): Running {
    return start(['run', ...this.place, ...flags])
  }

  /** Its topology and topics, as flags. */
  get place(): readonly string[] {
    return [...this.#run, '--group', this.#group]
  }

  /** How to ask for the status of its group. @param url where a worker serves HTTP */
  async statusJob(url: URL): Promise<GroupStatusJob> {
    const definitions = await loadNamed(['topologies/card-fraud.ts'], this.#topics)
    return { group: this.#group, definitions, records: this.#records, urls: [url], token: null }
  }

  /** The outputs as they come. */
  follow(): Promise<KafkaReader> {
    const topic = this.#topics.predictions
    return this.#records.read({ topic, from: 'earliest', until: 'closed' })
  }

  /** The outputs and dead letters, once each. */
  async outcome(): Promise<Outcome> {
    return outcomeOf(
      await readTopic(this.#records, this.#topics.predictions),
      await readTopic(this.#records, this.#topics['payments.dlq']),
    )
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

  /** The offsets that its group has committed, asked without the driver under test. */
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

  /**
   * Resolves when what its group has committed can be seen: a broker takes the end of a transaction
   * before it has written its markers.
   */
  async transactionsEnded(): Promise<void> {
    const isNoneOpen = async () => {
      const open = await openTransactions(this.#kafka)
      return !open.some((id) => id.startsWith(this.#group))
    }
    await until('without an open transaction', isNoneOpen)
  }

  /** Resolves when everything that was sent is committed; asks until then. */
  async allCommitted(): Promise<void> {
    for (;;) {
      const committed = await this.committed()
      if ([...this.#ends].every(([partition, end]) => committed.get(partition) === end)) return
    }
  }

  async close(): Promise<void> {
    await this.#writer.close()
    await this.#records.close()
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
