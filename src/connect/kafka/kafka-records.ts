import { type KafkaConfig, logLevel } from 'kafkajs'
import { wallClock } from '../../kernel/clock.ts'
import { systemRandom } from '../../kernel/random.ts'
import type { Groups } from '../groups.ts'
import type {
  CompressionOf,
  Followed,
  FollowOptions,
  Guarantee,
  JoinOptions,
  Member,
  Needs,
  Records,
  Source,
  Topics,
} from '../port.ts'
import { type BearerLogin, bearerLoginOf } from './client/bearer-login.ts'
import { Brokers } from './client/brokers.ts'
import { patchConnections } from './client/connections.ts'
import { quietLog } from './client/library.ts'
import { clientConfig, type KafkaOptions, SESSION_TIMEOUT_MS } from './client/options.ts'
import { checkLibrary } from './client/self-test.ts'
import { KafkaAdmin } from './group/admin.ts'
import { type Connections, KafkaMember } from './group/kafka-member.ts'
import { DefaultName, ZombieFencing } from './group/zombie-fencing.ts'
import { KafkaWriter, Producer } from './produce/producer.ts'
import { transactionalIdOf } from './produce/transactions.ts'
import { KafkaReader, type ReadOptions } from './reader.ts'

/** The Kafka driver. Connects when first used. */
export class KafkaRecords extends KafkaAdmin implements Records, Source, Topics, Groups {
  readonly source = this
  readonly topics = this
  readonly #config: KafkaConfig
  readonly #proof: { isProven: boolean }
  readonly #sessionTimeoutMs: number
  readonly #members = new Set<KafkaMember>()
  readonly #opened = new Set<Brokers>()
  readonly #zombieFencing: ZombieFencing
  readonly #login: BearerLogin | null
  readonly #defaultName: DefaultName
  readonly #name: string | undefined
  #nextEpoch = 1

  /** @throws Refused with `CONFIG_INVALID` · TidemarkError `CLIENT_BROKEN` */
  constructor(options: KafkaOptions) {
    checkLibrary()
    patchConnections()
    const log = options.log ?? (() => {})
    const logCreator = quietLog(log, wallClock)
    const given = clientConfig(options)
    const login = bearerLoginOf(options.sasl, { clock: wallClock, random: systemRandom, log })
    const config = { ...given, ...(login && { sasl: login }), logLevel: logLevel.WARN, logCreator }
    const proof = { isProven: false }
    super(() => new Brokers(config, { login: proof }))
    this.#config = config
    this.#proof = proof
    this.#login = login
    this.#name = options.workerName
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS
    this.#defaultName = new DefaultName(options.defaultName)
    this.#zombieFencing = new ZombieFencing(options.workerName, this.#sessionTimeoutMs)
  }

  override missingRights(needs: Needs) {
    return super.missingRights(needs, this.#transactionalId(needs.group, needs.guarantee))
  }

  /**
   * @throws TidemarkError as {@link KafkaMember.join}; later failures go to the handler `failed`
   */
  async join(options: JoinOptions): Promise<Member> {
    const member = new KafkaMember(options, this.#connections(options))
    this.#members.add(member)
    await member.join()
    return member
  }

  writer(compressionOf?: CompressionOf): KafkaWriter {
    return new KafkaWriter(this.#producer(this.#brokers(), compressionOf))
  }

  read(options: ReadOptions): Promise<KafkaReader> {
    return KafkaReader.open(options, { admin: this, brokers: this.#brokers() })
  }

  follow({ topic, from, unreadable }: FollowOptions): Promise<Followed> {
    const where = { from: { offsets: from }, until: 'closed' } as const
    return this.read({ topic, ...where, unreadable })
  }

  /** Leaves every group, and closes the connections with pending requests; takes at most 10 s. */
  override async close(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.leave()))
    await super.close()
    for (const brokers of this.#opened) brokers.close()
    this.#login?.close()
  }

  #transactionalId(group: string, guarantee: Guarantee = 'exactly-once'): string | null {
    return guarantee === 'exactly-once' ? transactionalIdOf(group, this.#name) : null
  }

  #connections(options: JoinOptions): Connections {
    const { handlers } = options
    const quick = this.#brokers((ms) => handlers.throttled(ms, 'writing'))
    const waiting = this.#brokers((ms) => handlers.throttled(ms, 'reading'))
    const producer = this.#producer(quick, options.compressionOf)
    const transactionalId = this.#transactionalId(options.group, options.guarantee)
    return {
      admin: this,
      waiting,
      producer,
      transactionalId,
      zombieFencing: this.#zombieFencing,
      defaultName: this.#defaultName,
      sessionTimeoutMs: this.#sessionTimeoutMs,
      nextEpoch: () => this.#nextEpoch++,
      left: (member) => this.#members.delete(member),
    }
  }

  #producer(brokers: Brokers, compressionOf?: CompressionOf): Producer {
    return new Producer(brokers, (names) => this.describe(names), compressionOf)
  }

  #brokers(throttled: (ms: number) => void = () => {}): Brokers {
    const { text } = this.#defaultName
    const config = text === null ? this.#config : { ...this.#config, clientId: text }
    const closed = () => this.#opened.delete(brokers)
    const brokers = new Brokers(config, { login: this.#proof, throttled, closed })
    this.#opened.add(brokers)
    return brokers
  }
}
