import { type KafkaConfig, logLevel } from 'kafkajs'
import { wallClock } from '../../kernel/clock.ts'
import type { TidemarkError } from '../../kernel/errors.ts'
import { systemRandom } from '../../kernel/random.ts'
import type {
  CompressionOf,
  Followed,
  FollowOptions,
  JoinOptions,
  LogRecord,
  Member,
  Needs,
  NewTopic,
  PartitionOffsets,
  Records,
  TopicInfo,
  TopicPartition,
} from '../port.ts'
import { KafkaAdmin } from './admin.ts'
import { Brokers, type BrokersOptions } from './brokers.ts'
import { AtLeastOnce, ExactlyOnce } from './committing.ts'
import { patchConnections } from './connections.ts'
import { type Connections, KafkaMember } from './kafka-member.ts'
import { quietLog } from './library.ts'
import { type BearerLogin, bearerLoginOf } from './login/bearer-login.ts'
import { clientConfig, type KafkaOptions, SESSION_TIMEOUT_MS } from './options.ts'
import { KafkaWriter, Producer } from './producer.ts'
import { KafkaReader, type ReadOptions } from './reader.ts'
import { selfTest } from './self-test.ts'
import { DefaultName, StaleMembers } from './stale-members.ts'
import { Transactions, transactionalIdOf } from './transactions.ts'

type Joining = Pick<JoinOptions, 'group' | 'guarantee'>

/** The Kafka driver. Connects when first used. */
export class KafkaRecords implements Records {
  readonly #config: KafkaConfig
  readonly #timing: Required<Pick<BrokersOptions, 'clock' | 'random' | 'login'>>
  readonly #admin: KafkaAdmin
  readonly #sessionTimeoutMs: number
  readonly #members = new Set<KafkaMember>()
  readonly #opened = new Set<Brokers>()
  readonly #staleMembers: StaleMembers
  readonly #login: BearerLogin | null
  readonly #defaultName: DefaultName
  readonly #name: string | undefined
  #epochs = 0

  /** @throws Refused with `CONFIG_INVALID` · TidemarkError `CLIENT_BROKEN` */
  constructor(options: KafkaOptions) {
    selfTest()
    patchConnections()
    const { clock = wallClock, random = systemRandom } = options
    this.#timing = { clock, random, login: { isProven: false } }
    const log = options.log ?? (() => {})
    const logCreator = quietLog(log, clock)
    const config = clientConfig(options)
    this.#login = bearerLoginOf(options.sasl, { clock, random, log })
    this.#config = {
      ...config,
      ...(this.#login && { sasl: this.#login }),
      logLevel: logLevel.WARN,
      logCreator,
    }
    this.#admin = new KafkaAdmin(() => new Brokers(this.#config, this.#timing), clock)
    this.#name = options.workerName
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS
    this.#defaultName = new DefaultName(options.defaultName)
    this.#staleMembers = new StaleMembers(options.workerName, this.#sessionTimeoutMs)
  }

  missingRights(needs: Needs): Promise<readonly TidemarkError[]> {
    return this.#admin.missingRights(needs, this.#transactionalId(needs))
  }

  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    return this.#admin.describeTopics(names)
  }

  createTopics(topics: readonly NewTopic[]): Promise<void> {
    return this.#admin.createTopics(topics)
  }

  readAll(partition: TopicPartition): Promise<readonly LogRecord[]> {
    return this.#admin.readAll(partition)
  }

  partitionOffsets(group: string, topic: string): Promise<readonly PartitionOffsets[]> {
    return this.#admin.partitionOffsets(group, topic)
  }

  /**
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING` ·
   * `OFFSET_OUT_OF_RANGE` for the first assignment; for a later one the handler `failed` is called
   * · `GROUP_FAILED`
   */
  async join(options: JoinOptions): Promise<Member> {
    const member = new KafkaMember(options, this.#connections(options))
    this.#members.add(member)
    await member.join()
    return member
  }

  writer(compressionOf?: CompressionOf): KafkaWriter {
    const brokers = this.#brokers()
    return new KafkaWriter(brokers, this.#producer(brokers, compressionOf))
  }

  /**
   * Reads a topic outside of any group.
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING`
   */
  read(options: ReadOptions): Promise<KafkaReader> {
    const brokers = this.#brokers()
    const closed = () => this.#opened.delete(brokers)
    return KafkaReader.open(options, { admin: this.#admin, brokers, closed })
  }

  follow({ topic, from, unreadable }: FollowOptions): Promise<Followed> {
    const where = { from: { offsets: from }, until: 'closed' } as const
    return this.read({ topic, ...where, unreadable })
  }

  /** Leaves every group, and closes the connections with pending requests; takes at most 10 s. */
  async close(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.leave()))
    this.#admin.close()
    for (const brokers of this.#opened) brokers.close()
    this.#login?.close()
  }

  /** `null`: the member commits without transactions. */
  #transactionalId({ group, guarantee = 'exactly-once' }: Joining): string | null {
    return guarantee === 'exactly-once' ? transactionalIdOf(group, this.#name) : null
  }

  #connections(options: JoinOptions): Connections {
    const { handlers } = options
    const [quick, waiting] = [
      this.#brokers((ms) => handlers.throttled(ms, 'writing')),
      this.#brokers((ms) => handlers.throttled(ms, 'reading')),
    ]
    const producer = this.#producer(quick, options.compressionOf)
    const transactionalId = this.#transactionalId(options)
    return {
      admin: this.#admin,
      waiting,
      quick,
      producer,
      committing: (context) => {
        if (transactionalId === null) {
          return new AtLeastOnce(context, new KafkaWriter(quick, producer))
        }
        return new ExactlyOnce(context, new Transactions(quick, producer, transactionalId))
      },
      transactionalId,
      staleMembers: this.#staleMembers,
      defaultName: this.#defaultName,
      sessionTimeoutMs: this.#sessionTimeoutMs,
      nextEpoch: () => {
        this.#epochs++
        return this.#epochs
      },
      left: (member) => {
        this.#members.delete(member)
        for (const brokers of [quick, waiting]) this.#opened.delete(brokers)
      },
    }
  }

  #producer(brokers: Brokers, compressionOf?: CompressionOf): Producer {
    return new Producer(brokers, (names) => this.describeTopics(names), compressionOf)
  }

  #brokers(throttled: (ms: number) => void = () => {}): Brokers {
    const { text } = this.#defaultName
    const config = text === null ? this.#config : { ...this.#config, clientId: text }
    const brokers = new Brokers(config, { ...this.#timing, throttled })
    this.#opened.add(brokers)
    return brokers
  }
}
