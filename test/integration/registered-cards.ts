import { setTimeout as sleep } from 'node:timers/promises'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import { placeOf } from '../golden/answers.ts'
import { freshName, type KafkaService, plainOptions, readTopic } from '../services/kafka.ts'
import type { RegistryService } from '../services/registry.ts'
import type { Running } from '../services/tidemark.ts'
import { start } from '../services/tidemark-in-test.ts'
import { headerOf } from '../support/headers.ts'
import { PARTITIONS } from './payment-versions.ts'

/** W1, with its features in the outputs. */
const TOPOLOGY = 'test/golden/topologies/w1-registry.ts'
const ASK_EVERY_MS = 100

/** The answer to each payment, `partition/offset`: an output's value, or a dead letter's code. */
export type Answers = ReadonlyMap<string, string>

interface Services {
  readonly kafka: KafkaService
  readonly registry: RegistryService
}

/** A group that scores payments whose schemas are in a registry, into topics of its own. */
export class RegisteredCards {
  readonly #services: Services
  readonly #source: string
  readonly #predictions = freshName('predictions')
  readonly #letters = freshName('letters')
  readonly #group = freshName('cards')

  private constructor(services: Services, source: string) {
    this.#services = services
    this.#source = source
  }

  /** @param source a topic of payments */
  static async on(services: Services, source: string): Promise<RegisteredCards> {
    const cards = new RegisteredCards(services, source)
    const topics = [cards.#predictions, cards.#letters]
    await cards.#records((records) =>
      records.create(topics.map((name) => ({ name, partitions: PARTITIONS }))),
    )
    return cards
  }

  /** Starts a worker of the group. */
  run(...flags: readonly string[]): Running {
    const { kafka, registry } = this.#services
    const topics = [
      `payments=${this.#source}`,
      `predictions=${this.#predictions}`,
      `payments.dlq=${this.#letters}`,
    ]
    return start([
      ...['run', TOPOLOGY, '--group', this.#group],
      ...['--brokers', kafka.brokers.join(','), '--registry', registry.url],
      ...topics.flatMap((topic) => ['--topic', topic]),
      ...flags,
    ])
  }

  /** The offsets that the group has committed, by partition. */
  committed(): Promise<readonly number[]> {
    return this.#asked(async (admin) => {
      const topics = [this.#source]
      const [of] = await admin.fetchOffsets({ groupId: this.#group, topics })
      return byPartition(of?.partitions ?? [])
    })
  }

  /** Where the partitions of the payments end. */
  ends(): Promise<readonly number[]> {
    return this.#asked(async (admin) => byPartition(await admin.fetchTopicOffsets(this.#source)))
  }

  /** Resolves when the group has committed more in each of these partitions. */
  async moves(partitions: readonly number[]): Promise<void> {
    const before = await this.committed()
    await this.#untilCommitted((now) => partitions.every((p) => at(now, p) > at(before, p)))
  }

  /** Resolves when the group has committed all payments up to these ends. */
  async reaches(ends: readonly number[]): Promise<void> {
    await this.#untilCommitted((now) => ends.every((end, p) => at(now, p) === end))
  }

  async #untilCommitted(holds: (now: readonly number[]) => boolean): Promise<void> {
    while (!holds(await this.committed())) await sleep(ASK_EVERY_MS)
  }

  /** @throws Error when a payment was answered twice */
  answers(): Promise<Answers> {
    return this.#records(async (records) => {
      const answers = new Map<string, string>()
      const answer = (record: LogRecord, given: string) => {
        const { partition, offset } = placeOf(record)
        const place = `${partition}/${offset}`
        if (answers.has(place)) throw new Error(`${place} was answered twice`)
        answers.set(place, given)
      }
      for (const each of await readTopic(records, this.#predictions)) {
        answer(each, String(each.value))
      }
      for (const each of await readTopic(records, this.#letters)) {
        answer(each, headerOf(each, 'tidemark.code') ?? '')
      }
      return answers
    })
  }

  async #asked<R>(work: (admin: Admin) => Promise<R>): Promise<R> {
    const brokers = [...this.#services.kafka.brokers]
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    try {
      return await work(admin)
    } finally {
      await admin.disconnect()
    }
  }

  async #records<R>(work: (records: KafkaRecords) => Promise<R>): Promise<R> {
    const records = new KafkaRecords(plainOptions(this.#services.kafka))
    try {
      return await work(records)
    } finally {
      await records.close()
    }
  }
}

/** An offset that is not there is 0. */
function byPartition(
  known: readonly { readonly partition: number; readonly offset: string }[],
): number[] {
  const offsets = new Map(known.map(({ partition, offset }) => [partition, Number(offset)]))
  return Array.from({ length: PARTITIONS }, (_, p) => Math.max(0, offsets.get(p) ?? 0))
}

function at(offsets: readonly number[], partition: number): number {
  return offsets[partition] ?? 0
}
