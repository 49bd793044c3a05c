import { setTimeout as sleep } from 'node:timers/promises'
import { type Broker, type Cluster, Kafka, type KafkaConfig, PartitionAssigners } from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import type { TopicPartition } from '../port.ts'
import { fromKafka } from './errors.ts'
import { checkAbilities } from './self-test.ts'
import { Sockets } from './sockets.ts'
import { within } from './waiting.ts'
import { apiVersions, type BrokerAbilities } from './wire/api-versions.ts'
import { hasCoordinatorMoved, nameOfCode } from './wire/codes.ts'
import type { Request } from './wire/request.ts'
import { send, type Wired } from './wire/send.ts'

// One set of connections to a cluster: who leads what, who coordinates whom, and how to ask them. The library keeps the
// connections, metadata and security. A broker answers one request of a connection after the other, so what waits on purpose
// (JoinGroup, Fetch) and what must be quick (Produce, EndTxn) go over sets of their own.

/** A coordinator is asked again for so long while it is moving, ms. */
const MOVING_MS = 8_000
const RETRY_MS = 20
/** A request that does not wait on purpose is answered, or the broker hangs, ms. */
const ANSWER_MS = 10_000
/** Metadata is not asked for more often, ms. */
const REFRESH_MS = 50
const CLIENT = { name: 'tidemark', version: '0.1.0' }

/** Whose coordinator: a group's, or a transactional id's. */
export interface Coordinated {
  readonly type: 'group' | 'transaction'
  readonly id: string
}

const TYPES = { group: 0, transaction: 1 } as const

export class Brokers {
  readonly #sockets = new Sockets()
  readonly #cluster: Cluster
  readonly #coordinators = new Map<string, string>()
  readonly #abilities = new Map<string, BrokerAbilities>()
  readonly #met = new Map<string, Broker>()
  readonly #topics = new Set<string>()
  /** By topic, the leaders' ids by partition. */
  #leaders = new Map<string, Map<number, string>>()
  #refreshing: Promise<void> | null = null

  constructor(config: KafkaConfig) {
    this.#cluster = clusterOf(new Kafka({ ...config, socketFactory: this.#sockets.factory }))
  }

  /** For what the library does by itself: membership of a group. */
  get cluster(): Cluster {
    return this.#cluster
  }

  /** @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` */
  async connect(): Promise<void> {
    await asked(within(5_000, 'connecting', this.#cluster.connect()))
    await this.refresh()
  }

  /** Ends the connections, and with them what is still asked. */
  close(): void {
    this.#sockets.close()
  }

  /** Learns who leads these topics. @throws TidemarkError `TOPIC_MISSING` · `BROKER_UNAVAILABLE` · `AUTHENTICATION` */
  async learn(topics: readonly string[]): Promise<void> {
    const news = topics.filter((topic) => !this.#topics.has(topic))
    for (const topic of new Set(news)) {
      await asked(this.#cluster.addTargetTopic(topic))
      this.#topics.add(topic)
      this.#learnLeaders(topic)
    }
  }

  /** Asks anew who leads what. Those who ask meanwhile share the answer. @throws as {@link learn} */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  /** The id of a partition's leader; `undefined` when it has none that is known. */
  leaderOf({ topic, partition }: TopicPartition): string | undefined {
    return this.#leaders.get(topic)?.get(partition)
  }

  partitionsOf(topic: string): number {
    return this.#leaders.get(topic)?.size ?? 0
  }

  /**
   * Asks one broker.
   * @throws TidemarkError `BROKER_UNAVAILABLE`: it may have got the request, or not · `AUTHENTICATION` · `BROKER_TOO_OLD`
   */
  async ask<T>(nodeId: string, request: Request<T>): Promise<T> {
    return asked(this.#ask(nodeId, request))
  }

  /** Is a broker connected, and what it can do known? */
  hasMet(nodeId: string): boolean {
    return this.#abilities.has(nodeId) && this.#met.get(nodeId)?.isConnected() === true
  }

  /** Is connected with a broker, and knows what it can do. @throws as {@link ask} */
  async meet(nodeId: string): Promise<void> {
    await asked(this.#abilitiesOf(nodeId))
    this.#met.set(nodeId, await asked(this.#broker(nodeId)))
  }

  /**
   * Asks any broker, until it is no longer about to be able to answer.
   * @throws as {@link askCoordinator}
   */
  askAny<T>(request: Request<T>, codeOf: (answer: T) => number): Promise<T> {
    const ask = async () => {
      const [nodeId] = this.#cluster.getNodeIds()
      if (nodeId !== undefined) return this.ask(String(nodeId), request)
      throw new TidemarkError('BROKER_UNAVAILABLE', 'no broker of the cluster is known')
    }
    return whileMoving(request.api, ask, codeOf)
  }

  /**
   * Asks a coordinator, and the next one when it has moved.
   * @param codeOf the broker's code in the answer
   * @throws TidemarkError as {@link ask}; `BROKER_UNAVAILABLE` too when it goes on moving for 8 s
   */
  askCoordinator<T>(
    of: Coordinated,
    request: Request<T>,
    codeOf: (answer: T) => number,
  ): Promise<T> {
    const ask = async () => {
      const answer = await this.#askCoordinator(of, request)
      if (hasCoordinatorMoved(codeOf(answer))) this.#coordinators.delete(keyOf(of))
      return answer
    }
    return whileMoving(`the coordinator of ${of.type} "${of.id}"`, ask, codeOf)
  }

  /** What a coordinator can do; asked anew, since brokers are upgraded while workers run. */
  async abilitiesOfCoordinator(of: Coordinated): Promise<BrokerAbilities> {
    const nodeId = await this.#coordinator(of)
    this.#abilities.delete(nodeId)
    return asked(this.#abilitiesOf(nodeId))
  }

  async #askCoordinator<T>(of: Coordinated, request: Request<T>): Promise<T> {
    try {
      return await this.ask(await this.#coordinator(of), request)
    } catch (error) {
      this.#coordinators.delete(keyOf(of))
      throw error
    }
  }

  async #coordinator(of: Coordinated): Promise<string> {
    const known = this.#coordinators.get(keyOf(of))
    if (known !== undefined) return known
    const question = { groupId: of.id, coordinatorType: TYPES[of.type] }
    const { coordinator } = await asked(this.#cluster.findGroupCoordinatorMetadata(question))
    const nodeId = String(coordinator.nodeId)
    this.#coordinators.set(keyOf(of), nodeId)
    return nodeId
  }

  async #ask<T>(nodeId: string, request: Request<T>): Promise<T> {
    await this.#abilitiesOf(nodeId)
    return send(await this.#broker(nodeId), request, ANSWER_MS)
  }

  async #abilitiesOf(nodeId: string): Promise<BrokerAbilities> {
    const known = this.#abilities.get(nodeId)
    if (known !== undefined) return known
    const abilities = await send(await this.#broker(nodeId), apiVersions(CLIENT), ANSWER_MS)
    checkAbilities(abilities)
    this.#abilities.set(nodeId, abilities)
    return abilities
  }

  async #broker(nodeId: string): Promise<Wired> {
    return (await this.#cluster.findBroker({ nodeId })) as Wired
  }

  async #refresh(): Promise<void> {
    await sleep(REFRESH_MS)
    await asked(this.#cluster.refreshMetadata())
    for (const topic of this.#topics) this.#learnLeaders(topic)
  }

  #learnLeaders(topic: string): void {
    const partitions = this.#cluster.findTopicPartitionMetadata(topic)
    this.#leaders.set(topic, new Map(partitions.map((p) => [p.partitionId, String(p.leader)])))
  }
}

/** Asks again while a coordinator is moving. */
async function whileMoving<T>(
  who: string,
  ask: () => Promise<T>,
  codeOf: (answer: T) => number,
): Promise<T> {
  const deadlineMs = performance.now() + MOVING_MS
  for (;;) {
    const answer = await ask()
    const code = codeOf(answer)
    if (!hasCoordinatorMoved(code)) return answer
    if (performance.now() > deadlineMs) {
      throw new TidemarkError('BROKER_UNAVAILABLE', `${who} is answered with ${nameOfCode(code)}`)
    }
    await sleep(RETRY_MS)
  }
}

function keyOf({ type, id }: Coordinated): string {
  return `${type} ${id}`
}

/** What the library throws when a broker dies in the middle is not always its own error, so that is what all the rest is. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw fromKafka(error, 'BROKER_UNAVAILABLE')
  }
}

/** The library hands its cluster out to those who assign partitions, and nowhere else. */
function clusterOf(kafka: Kafka): Cluster {
  let cluster: Cluster | undefined
  kafka.consumer({
    groupId: 'tidemark',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster
        return PartitionAssigners.roundRobin(config)
      },
    ],
  })
  return cluster as unknown as Cluster
}
