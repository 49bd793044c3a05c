import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { KafkaWriter } from '../../src/connect/kafka/produce/producer.ts'
import type { LogRecord, NewRecord } from '../../src/connect/port.ts'
import { until } from '../services/cluster.ts'
import {
  freshName,
  freshTopics,
  type KafkaService,
  plainOptions,
  readTopic,
} from '../services/kafka.ts'
import type { Running } from '../services/tidemark.ts'
import { start } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'

const TOPOLOGY = 'test/fixtures/topologies/risky-payments.ts'
const TOPICS = ['payments', 'payments.dlq', 'scores', 'merchants'] as const
type Topic = (typeof TOPICS)[number]
const PARTITIONS = 3
const CARDS = 40
const MERCHANTS = 20
const NOON_MS = Date.UTC(2026, 0, 1, 12)

/** What becomes of a record in a copy of its topic: nothing, others, or several. */
export type Change = (record: LogRecord) => readonly LogRecord[]

/** Payments and merchants on a real Kafka, scored by workers that are killed. */
export class ReplayedRun {
  readonly group = freshName('replayed')
  readonly topics: Readonly<Record<Topic, string>>
  readonly records: KafkaRecords
  readonly #kafka: KafkaService
  readonly #writer: KafkaWriter
  sent = 0

  private constructor(
    kafka: KafkaService,
    records: KafkaRecords,
    topics: Readonly<Record<Topic, string>>,
  ) {
    this.#kafka = kafka
    this.records = records
    this.#writer = records.writer()
    this.topics = topics
  }

  static async on(kafka: KafkaService): Promise<ReplayedRun> {
    const records = new KafkaRecords(plainOptions(kafka))
    const { topics } = await freshTopics(records, TOPICS, PARTITIONS)
    return new ReplayedRun(kafka, records, topics)
  }

  work(...flags: string[]): Running {
    return start(['run', ...this.flags(), '--worker-name', 'scorer', ...flags])
  }

  /** The topology, and where everything is. */
  flags(others: Partial<Record<Topic, string>> = {}): string[] {
    const topics = Object.entries({ ...this.topics, ...others })
    const renamed = topics.flatMap(([logical, actual]) => ['--topic', `${logical}=${actual}`])
    const brokers = ['--brokers', this.#kafka.brokers.join(',')]
    return [TOPOLOGY, '--group', this.group, ...brokers, ...renamed]
  }

  /**
   * Sends payments, some of them late, some no payments. No amount is 0, so that each score changes
   * with its weight.
   */
  async pay(count: number): Promise<void> {
    const all = Array.from({ length: count }, (_, i): NewRecord => {
      const n = this.sent + i
      const card = `c-${n % CARDS}`
      const merchant = `m-${(n * 8) % (MERCHANTS + 1)}`
      const at = NOON_MS + n * 500 - (n % 97 === 96 ? 600_000 : 0)
      const amount = (((n * 31) % 100) + 1) / 1_000
      const value = n % 89 === 88 ? 'no payment' : JSON.stringify({ card, merchant, amount, at })
      return recordOf(this.topics.payments, card, value)
    })
    await this.#writer.write(all)
    this.sent += count
  }

  /** Gives each of some merchants a new risk. */
  async update(round: number, merchants = MERCHANTS): Promise<void> {
    const rows = Array.from({ length: merchants }, (_, i) => {
      const value = JSON.stringify({ risk: ((round * 13 + i * 7) % 100) / 100 })
      return recordOf(this.topics.merchants, `m-${i}`, value)
    })
    await this.#writer.write(rows)
  }

  /** Sends payments and then rows, round by round, each when outputs of the last are there. */
  async payInRounds(rounds: number, payments: number): Promise<void> {
    for (let round = 1; round <= rounds; round++) {
      const before = await this.outputs()
      await this.pay(payments)
      await until('outputs', async () => (await this.outputs()) > before)
      await this.update(round, 4)
    }
  }

  /** The positions of the table that outputs name. */
  async positions(): Promise<Set<string>> {
    const outputs = await readTopic(this.records, this.topics.scores)
    const headers = outputs.flatMap((output) => output.headers)
    const tables = headers.filter(({ name }) => name === 'tidemark-tables')
    return new Set(tables.map(({ value }) => String(value)))
  }

  /** Where all topics end, and what the group has committed. */
  async offsets(): Promise<unknown> {
    const topics = Object.values(this.topics)
    return Promise.all(topics.map((topic) => this.records.offsets(this.group, topic)))
  }

  async outputs(): Promise<number> {
    const ends = await this.records.offsets(this.group, this.topics.scores)
    return ends.reduce((sum, { endOffset }) => sum + endOffset, 0)
  }

  async allCommitted(): Promise<void> {
    const areCommitted = async () => {
      const all = await this.records.offsets(this.group, this.topics.payments)
      return all.every(({ committed, endOffset }) => (committed?.nextOffset ?? 0) === endOffset)
    }
    await until('all committed', areCommitted)
  }

  /** Copies a topic, with changes. @returns the name of the copy */
  async copy(topic: Topic, change: Change): Promise<string> {
    const { topics } = await freshTopics(this.records, [topic], PARTITIONS)
    const copy = topics[topic]
    const reader = await this.records.read({
      topic: this.topics[topic],
      from: 'earliest',
      until: 'end',
    })
    for await (const { partition, records } of reader) {
      const changed = [...records].flatMap(change)
      const all = changed.map(({ key, value, headers, timestampMs }) => {
        return { topic: copy, partition, key, value, headers, timestampMs }
      })
      if (all.length > 0) await this.#writer.write(all)
    }
    return copy
  }

  async close(): Promise<void> {
    await this.#writer.close()
    await this.records.close()
  }
}

function recordOf(topic: string, key: string, value: string): NewRecord {
  const parts = { key: Buffer.from(key), value: Buffer.from(value), headers: [] }
  return { topic, partition: null, timestampMs: NOON_MS, ...parts }
}

/** Gives a record another value. */
export function withValue(value: string): Change {
  return (record) => [{ ...partsOf(record), value: Buffer.from(value) }]
}

/** A record without getters. */
function partsOf({ offset, timestampMs, key, value, headers }: LogRecord): LogRecord {
  return { offset, timestampMs, key, value, headers }
}

/** The model of the topology with another weight: one byte differs. */
export function changedModel(): string {
  const bytes = readFileSync('test/fixtures/models/risk.onnx')
  const one = bytes.indexOf(Buffer.from([0, 0, 0x80, 0x3f]))
  bytes[one + 2] = 0
  const file = join(folderWith({}), 'risk.onnx')
  writeFileSync(file, bytes)
  return file
}
