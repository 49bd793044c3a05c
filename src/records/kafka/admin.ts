import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Admin, type ITopicMetadata, type Kafka } from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Standing, TopicInfo } from '../port.ts'
import { readMark } from './commit-mark.ts'
import { connected, disconnect } from './connection.ts'
import { fromKafka } from './errors.ts'
import { whenSettled } from './waiting.ts'

/** A topic to be made. */
export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  /** Brokers that hold each partition. @default 1 */
  readonly replicas?: number
  /** Topic settings by Kafka's names, such as `max.message.bytes`. */
  readonly config?: Readonly<Record<string, string>>
}

const SETTINGS = [
  'max.message.bytes',
  'message.timestamp.type',
  'message.timestamp.after.max.ms',
  'message.timestamp.before.max.ms',
  'cleanup.policy',
] as const

/** Questions to the cluster. Connects when first asked; a connection that failed is not used again. */
export class KafkaAdmin {
  readonly #kafka: Kafka
  #admin: Promise<Admin> | null = null

  constructor(kafka: Kafka) {
    this.#kafka = kafka
  }

  /** Missing topics are left out. @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` */
  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    const wanted: ITopicMetadata[] = []
    for (const name of names) wanted.push(...(await this.#metadata(name)))
    const settings = await this.#settings(wanted.map(({ name }) => name))
    return new Map(
      wanted.map(({ name, partitions }) => {
        const of = settings.get(name)
        const type = of?.get('message.timestamp.type')
        const info: TopicInfo = {
          name,
          partitions: partitions.length,
          maxMessageBytes: numberOf(of?.get('max.message.bytes')),
          timestampType: type === 'CreateTime' || type === 'LogAppendTime' ? type : null,
          timestampAfterMaxMs: numberOf(of?.get('message.timestamp.after.max.ms')),
          timestampBeforeMaxMs: numberOf(of?.get('message.timestamp.before.max.ms')),
          isCompacted: of?.get('cleanup.policy')?.split(',').includes('compact') ?? null,
        }
        return [name, info]
      }),
    )
  }

  /** Topics that exist already are left as they are. @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` */
  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    const topics = specs.map(({ name, partitions, replicas = 1, config = {} }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor: replicas,
      configEntries: Object.entries(config).map(([entry, value]) => ({ name: entry, value })),
    }))
    // The library's own wait for leaders fails when the broker that it asks has not heard of the new topic yet.
    await this.#ask((admin) => admin.createTopics({ topics, waitForLeaders: false }))
    for (const { name } of specs) await this.#visible(name)
  }

  /** Where the group stands in every partition of a topic, in their order. @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING` */
  async standings(group: string, topic: string): Promise<Standing[]> {
    const ranges = await this.ranges(topic)
    const [offsets] = await this.#ask((admin) =>
      admin.fetchOffsets({ groupId: group, topics: [topic] }),
    )
    const committed = new Map(offsets?.partitions.map((p) => [p.partition, p]))
    return ranges.map((range): Standing => {
      const { offset = '-1', metadata = null } = committed.get(range.partition) ?? {}
      const nextOffset = Number(offset)
      const isCommitted = nextOffset >= 0
      const own = readMark(metadata ?? '').metadata
      return { ...range, committed: isCommitted ? { nextOffset, metadata: own } : null }
    })
  }

  /**
   * How far each partition of a topic reaches, in their order: to the end of what a reader of committed records sees.
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING`
   */
  async ranges(topic: string): Promise<Omit<Standing, 'committed'>[]> {
    const ends = await this.#ask((admin) => admin.fetchTopicOffsets(topic))
    return ends
      .map(({ partition, low, high }) => {
        return { topic, partition, lowOffset: Number(low), endOffset: Number(high) }
      })
      .sort((a, b) => a.partition - b.partition)
  }

  async close(): Promise<void> {
    const admin = this.#admin
    this.#admin = null
    if (admin !== null) await disconnect(admin)
  }

  async #visible(name: string): Promise<void> {
    for (let attempt = 0; attempt < 100; attempt++) {
      if ((await this.#metadata(name)).length > 0) return
      await sleep(50)
    }
    throw new TidemarkError('BROKER_UNAVAILABLE', `topic "${name}" was made but has not turned up`)
  }

  /** Topic by topic: one that is missing, or of which a partition has no leader, fails the whole question. */
  async #metadata(name: string): Promise<ITopicMetadata[]> {
    return this.#ask(async (admin) => {
      try {
        const { topics } = await admin.fetchTopicMetadata({ topics: [name] })
        return topics
      } catch (error) {
        if (fromKafka(error, 'BROKER_UNAVAILABLE').code === 'TOPIC_MISSING') return []
        throw error
      }
    })
  }

  /** Settings of topics that are there, by topic; empty when the broker does not let this user read them. */
  async #settings(names: readonly string[]): Promise<Map<string, Map<string, string>>> {
    if (names.length === 0) return new Map()
    const resources = names.map((name) => ({
      // Through the default export: Node does not see this one among the names of a CommonJS module.
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name,
      configNames: [...SETTINGS],
    }))
    return this.#ask(async (admin) => {
      try {
        // Another broker than the one that named the topics may not have heard of a new one yet.
        const answer = await whenSettled(
          () => admin.describeConfigs({ resources, includeSynonyms: false }),
          (error) => fromKafka(error, 'BROKER_UNAVAILABLE').code === 'TOPIC_MISSING',
        )
        return new Map(
          answer.resources.map(({ resourceName, configEntries }) => [
            resourceName,
            new Map(configEntries.map((e) => [e.configName, e.configValue])),
          ]),
        )
      } catch (error) {
        if (fromKafka(error, 'BROKER_UNAVAILABLE').code === 'AUTHENTICATION') return new Map()
        throw error
      }
    })
  }

  /** @param idle the connection was there before; once it has failed, the question is asked again on a fresh one */
  async #ask<T>(
    question: (admin: Admin) => Promise<T>,
    idle: boolean = this.#admin !== null,
  ): Promise<T> {
    const asked = this.#connected()
    try {
      return await whenSettled(async () => question(await asked))
    } catch (error) {
      if (this.#admin === asked) this.#admin = null
      void disconnect(asked)
      // What the library throws when a broker dies in the middle is not always its own error, so that is what all the rest is.
      const known = fromKafka(error, 'BROKER_UNAVAILABLE')
      // A connection that has been idle may be dead without having been told; a fresh one shows whether the broker is.
      if (idle && known.code === 'BROKER_UNAVAILABLE') return this.#ask(question, false)
      throw known
    }
  }

  #connected(): Promise<Admin> {
    this.#admin ??= connected(this.#kafka.admin())
    return this.#admin
  }
}

function numberOf(setting: string | undefined): number | null {
  return setting === undefined ? null : Number(setting)
}
