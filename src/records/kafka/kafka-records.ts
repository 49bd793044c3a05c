import { Kafka, type KafkaConfig, logLevel } from 'kafkajs'
import type { JoinOptions, Member, Records, Standing, TopicInfo } from '../port.ts'
import { KafkaAdmin, type TopicSpec } from './admin.ts'
import { FormerMembers } from './former-members.ts'
import { quietLog } from './log.ts'
import { type Connections, KafkaMember } from './member.ts'
import { silenceNegativeTimeouts } from './negative-timeouts.ts'
import { clientConfig, type KafkaOptions, SESSION_TIMEOUT_MS } from './options.ts'
import { KafkaReader, type ReadOptions } from './reader.ts'
import { Sockets } from './sockets.ts'
import { KafkaWriter } from './writer.ts'

/** Records on Kafka, at least once. Connects when first used. */
export class KafkaRecords implements Records {
  readonly #config: KafkaConfig
  readonly #admin: KafkaAdmin
  readonly #sessionTimeoutMs: number
  readonly #sockets = new Sockets()
  readonly #members = new Set<KafkaMember>()
  readonly #formerMembers = new FormerMembers()
  #epochs = 0

  /** @throws Refused with `CONFIG_INVALID`, such as SASL PLAIN without TLS */
  constructor(options: KafkaOptions) {
    silenceNegativeTimeouts()
    const logCreator = quietLog(options.log ?? (() => {}))
    this.#config = {
      ...clientConfig(options),
      socketFactory: this.#sockets.factory,
      logLevel: logLevel.WARN,
      logCreator,
    }
    this.#admin = new KafkaAdmin(this.#client())
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS
  }

  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    return this.#admin.describeTopics(names)
  }

  /** Topics that exist already are left as they are. @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` */
  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.#admin.createTopics(specs)
  }

  standings(group: string, topic: string): Promise<readonly Standing[]> {
    return this.#admin.standings(group, topic)
  }

  /**
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING` · `OFFSET_OUT_OF_RANGE` for the first
   * assignment; for a later one the handler `failed` is told · `GROUP_FAILED`
   */
  async join(options: JoinOptions): Promise<Member> {
    const member = new KafkaMember(options, this.#connections())
    this.#members.add(member)
    await member.join()
    return member
  }

  /** A writer of its own, to be closed by the caller. */
  writer(): KafkaWriter {
    return new KafkaWriter(this.#client(), (names) => this.describeTopics(names))
  }

  /** Reads a topic beside every group, without committing. @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING` */
  read(options: ReadOptions): Promise<KafkaReader> {
    return KafkaReader.open(options, this.#connections())
  }

  /** Leaves every group, ends what is still asked and closes the connections; takes 10 s at most. */
  async close(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.leave()))
    await this.#admin.close()
    this.#sockets.close()
  }

  #connections(): Connections {
    return {
      kafka: this.#client(),
      admin: this.#admin,
      writer: this.writer(),
      formerMembers: this.#formerMembers,
      sessionTimeoutMs: this.#sessionTimeoutMs,
      nextEpoch: () => {
        this.#epochs++
        return this.#epochs
      },
      left: (member) => this.#members.delete(member),
    }
  }

  /** A client for each purpose: one client's consumers and producers share a table of committed offsets. */
  #client(): Kafka {
    return new Kafka(this.#config)
  }
}
