import { type Cluster, Kafka, type KafkaConfig } from 'kafkajs'
import { Backoff, type Random } from '../../kernel/backoff.ts'
import { type Clock, wallClock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { TopicPartition } from '../port.ts'
import { ClusterMap } from './cluster-map.ts'
import { fromKafka } from './errors.ts'
import { firstAnswer } from './first-answer.ts'
import { clusterOf, type GroupBroker } from './library.ts'
import { notAllowed, notCoordinated } from './rights.ts'
import { checkApiVersions } from './self-test.ts'
import { Sockets } from './sockets.ts'
import { within } from './waiting.ts'
import { apiVersions, type BrokerApis } from './wire/api-versions.ts'
import { CODE, hasCoordinatorMoved, nameOfCode } from './wire/codes.ts'
import { type Coordinated, findCoordinator } from './wire/groups.ts'
import { type Metadata, metadata, type TopicMetadata } from './wire/metadata.ts'
import { API, type Request } from './wire/request.ts'
import {
  connected,
  hangUp,
  isConnected,
  send,
  type Throttled,
  throttleLeftMs,
  type Wired,
} from './wire/send.ts'

// One set of connections to a cluster: who leads what, who coordinates whom, and how to ask them.
// The library keeps the connections, addresses and security. A broker answers one request of a
// connection after the other, so what waits on purpose (JoinGroup, Fetch) and what must be quick
// (Produce, EndTxn) go over sets of their own.

/** A coordinator is asked again for so long while it is moving, ms. */
const MOVING_MS = 8_000
const RETRY_MS = 20
/** A request that does not wait on purpose is answered, or the broker hangs, ms. */
const ANSWER_MS = 10_000
/** All brokers that are named at start hang, or one of them is connected by then, ms. */
const CONNECT_MS = 5_000
/**
 * What the library has not brought to an end by then, such as the metadata that all who ask share,
 * never comes, ms.
 */
const LIBRARY_MS = 2 * ANSWER_MS
/** Metadata is not asked for more often, ms. */
const REFRESH_MS = 50
const CLIENT = { name: 'tidemark', version: '0.1.0' }

/** A group's coordinator that cannot be reached is looked for again for so long, ms. */
const SEEK_MS = 1_500
const SEEK_RETRY = { firstMs: 100, lastMs: 800 }
/** By topic id partitions are read, and told apart, since this version of Fetch (Kafka 3.1). */
const FETCH_BY_ID = 13

export type { Coordinated } from './wire/groups.ts'

export interface BrokersOptions {
  /** Told for how long a broker makes this client wait. @default nobody is told */
  readonly throttled?: Throttled
  /** @default the wall clock */
  readonly clock?: Clock
  /** Spreads what is tried again. @default Math.random */
  readonly random?: Random
}

export class Brokers {
  /** Of all that works with these brokers. */
  readonly clock: Clock
  /** By it they spread what is tried again. */
  readonly random: Random
  readonly #sockets = new Sockets()
  readonly #throttled: Throttled
  readonly #cluster: Cluster
  readonly #map = new ClusterMap()
  readonly #coordinators = new Map<string, string>()
  readonly #apis = new WeakMap<Wired, BrokerApis>()
  readonly #met = new Map<string, Wired>()
  /** What is asked for, and when it is known. */
  readonly #topics = new Map<string, Promise<void>>()
  #refreshing: Promise<void> | null = null
  #turn = 0

  constructor(
    config: KafkaConfig,
    { throttled = () => {}, clock = wallClock, random = Math.random }: BrokersOptions = {},
  ) {
    this.#throttled = throttled
    this.clock = clock
    this.random = random
    const kafka = new Kafka({ ...config, socketFactory: this.#sockets.factory })
    this.#cluster = clusterOf(kafka, {
      brokers: config.brokers as readonly string[],
      clock,
      ask: (broker) => this.#metadataOf(broker, [...this.#topics.keys()]),
      heard: (found) => this.#map.take(found),
    })
  }

  /** For what the library does by itself: assigners of its own. */
  get cluster(): Cluster {
    return this.#cluster
  }

  /** @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` */
  async connect(): Promise<void> {
    await asked(this.#within(CONNECT_MS, 'connecting', this.#cluster.connect()))
    await this.refresh()
  }

  /** Ends the connections, and with them what is still asked. */
  close(): void {
    this.#sockets.close()
  }

  /**
   * Learns who leads these topics, as far as their partitions have leaders.
   * @throws TidemarkError `TOPIC_MISSING` · `BROKER_UNAVAILABLE` · `AUTHENTICATION` ·
   * `AUTHORIZATION`
   */
  async learn(topics: readonly string[]): Promise<void> {
    const known = topics.map((topic) => {
      const learning = this.#topics.get(topic) ?? this.#learn(topic)
      this.#topics.set(topic, learning)
      return learning
    })
    await Promise.all(known)
  }

  /**
   * Asks anew who leads what. Those who ask meanwhile share the answer. @throws as {@link learn}
   */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  /** The id of a partition's leader; `undefined` when it has none that is known. */
  leaderOf(partition: TopicPartition): string | undefined {
    return this.#map.leaderOf(partition).nodeId ?? undefined
  }

  /** Grows with every change of the leader; −1: not known. */
  leaderEpochOf(partition: TopicPartition): number {
    return this.#map.leaderOf(partition).epoch
  }

  /**
   * What tells a topic from one of the same name that was deleted; `null`: not known, or the
   * brokers have no such thing.
   */
  idOf(topic: string): string | null {
    return this.#map.idOf(topic)
  }

  /**
   * Numbers of a topic's partitions, also of those without a leader; empty when the topic is not
   * known.
   */
  partitionsOf(topic: string): readonly number[] {
    return this.#map.partitionsOf(topic)
  }

  /** What is now known of topics, whether they have been learnt or not. @throws as {@link ask} */
  async describe(topics: readonly string[]): Promise<readonly TopicMetadata[]> {
    const found = await this.#askAny((nodeId) => this.#metadata(nodeId, topics))
    return found.topics
  }

  /**
   * Asks one broker.
   * @throws TidemarkError `BROKER_UNAVAILABLE`: it may have got the request, or not ·
   * `AUTHENTICATION` · `BROKER_TOO_OLD`
   */
  async ask<T>(nodeId: string, request: Request<T>): Promise<T> {
    return asked(this.#ask(nodeId, request))
  }

  /** Can records be sent to a broker at once? */
  hasMet(nodeId: string): boolean {
    const broker = this.#met.get(nodeId)
    return broker !== undefined && this.#apis.has(broker) && isConnected(broker, 'Produce')
  }

  /** Can a broker be asked for records by topic id? */
  async fetchesById(nodeId: string): Promise<boolean> {
    const { versions } = await asked(this.#apisOf(nodeId))
    return (versions.get(API.Fetch)?.[1] ?? 0) >= FETCH_BY_ID
  }

  /** Is connected with a broker for records, and knows what it can do. @throws as {@link ask} */
  async meet(nodeId: string): Promise<void> {
    await asked(this.#apisOf(nodeId))
    await asked(connected(await asked(this.#broker(nodeId)), 'Produce'))
  }

  /** For how long a broker takes no records, since it has got too many, ms. */
  throttleLeftMs(nodeId: string): number {
    const broker = this.#met.get(nodeId)
    return broker === undefined ? 0 : throttleLeftMs(broker, 'Produce')
  }

  /** Ends the connection over which records go to a broker: what has not left yet never will. */
  hangUp(nodeId: string, reason: string): void {
    const broker = this.#met.get(nodeId)
    if (broker !== undefined) hangUp(broker, 'Produce', new Error(reason))
  }

  /**
   * Asks any broker, until it is no longer about to be able to answer.
   * @throws as {@link askCoordinator}
   */
  askAny<T>(request: Request<T>, codeOf: (answer: T) => number): Promise<T> {
    // Another node first each time: one that is cut off from the others goes on describing the
    // cluster as it used to be.
    const ask = () => this.#askAny((nodeId) => this.ask(nodeId, request), this.#turn++)
    return this.#whileMoving(request.api, ask, codeOf)
  }

  /** Asks the node that makes topics. @throws as {@link ask} */
  async askController<T>(request: Request<T>): Promise<T> {
    const { controller } = this.#map
    if (controller !== null) return this.ask(controller, request)
    throw new TidemarkError('BROKER_UNAVAILABLE', 'the cluster has no controller')
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
      const answer = await this.#ofCoordinator(of, (nodeId) => this.ask(nodeId, request))
      if (hasCoordinatorMoved(codeOf(answer))) this.#coordinators.delete(keyOf(of))
      return answer
    }
    return this.#whileMoving(`the coordinator of ${of.type} "${of.id}"`, ask, codeOf)
  }

  /** Who answered last as coordinator; `undefined`: it is not known any more. */
  coordinatorOf(of: Coordinated): string | undefined {
    return this.#coordinators.get(keyOf(of))
  }

  /** What a coordinator can do; asked anew, since brokers are upgraded while workers run. */
  async apisOfCoordinator(of: Coordinated): Promise<BrokerApis> {
    return this.#ofCoordinator(of, async (nodeId) => {
      this.#apis.delete(await asked(this.#broker(nodeId)))
      return asked(this.#apisOf(nodeId))
    })
  }

  /**
   * A group's coordinator as the library knows it, connected.
   * @throws TidemarkError as {@link askCoordinator}
   */
  async groupBroker(group: string): Promise<GroupBroker> {
    const of: Coordinated = { type: 'group', id: group }
    const backoff = new Backoff(SEEK_RETRY, this.random)
    const deadlineMs = this.clock.elapsedMs() + SEEK_MS
    for (;;) {
      // The one before may have moved, or not answer any more.
      this.#coordinators.delete(keyOf(of))
      try {
        const nodeId = await this.#coordinator(of)
        return (await asked(this.#broker(nodeId))) as unknown as GroupBroker
      } catch (error) {
        const isAway = error instanceof TidemarkError && error.code === 'BROKER_UNAVAILABLE'
        if (!isAway || this.clock.elapsedMs() > deadlineMs) throw error
        await this.clock.sleep(backoff.nextMs())
      }
    }
  }

  /** What a coordinator tells; one that does not is looked for anew, the next time. */
  async #ofCoordinator<T>(of: Coordinated, ask: (nodeId: string) => Promise<T>): Promise<T> {
    try {
      return await ask(await this.#coordinator(of))
    } catch (error) {
      this.#coordinators.delete(keyOf(of))
      throw error
    }
  }

  async #coordinator(of: Coordinated): Promise<string> {
    const known = this.#coordinators.get(keyOf(of))
    if (known !== undefined) return known
    const { code, nodeId } = await this.askAny(findCoordinator(of), (answer) => answer.code)
    if (NOT_COORDINATED.has(code)) throw notCoordinated(of)
    if (code !== CODE.NONE) {
      const message = `the coordinator of ${of.type} "${of.id}" is not told: ${nameOfCode(code)}`
      throw new TidemarkError('BROKER_UNAVAILABLE', message)
    }
    this.#coordinators.set(keyOf(of), String(nodeId))
    return String(nodeId)
  }

  /**
   * Of the first broker that answers, those first to which there is a connection. @param turn which
   * of them is the first
   */
  async #askAny<T>(ask: (nodeId: string) => Promise<T>, turn = 0): Promise<T> {
    const all = this.#cluster.getNodeIds().map(String)
    const isMet = (nodeId: string) => Number(this.hasMet(nodeId))
    const first = turn % Math.max(all.length, 1)
    const nodes = [...all.slice(first), ...all.slice(0, first)].sort((a, b) => isMet(b) - isMet(a))
    if (nodes.length > 0) return firstAnswer(nodes, ask, this.clock)
    throw new TidemarkError('BROKER_UNAVAILABLE', 'no broker of the cluster is known')
  }

  async #ask<T>(nodeId: string, request: Request<T>): Promise<T> {
    await this.#apisOf(nodeId)
    return this.#send(await this.#broker(nodeId), request)
  }

  async #apisOf(nodeId: string): Promise<BrokerApis> {
    const broker = await this.#broker(nodeId)
    const apis = await this.#apisOfBroker(broker)
    this.#met.set(nodeId, broker)
    return apis
  }

  async #apisOfBroker(broker: Wired): Promise<BrokerApis> {
    const known = this.#apis.get(broker)
    if (known !== undefined) return known
    const apis = await this.#send(broker, apiVersions(CLIENT))
    checkApiVersions(apis)
    this.#apis.set(broker, apis)
    return apis
  }

  #send<T>(broker: Wired, request: Request<T>): Promise<T> {
    return send(broker, request, { answerWithinMs: ANSWER_MS, throttled: this.#throttled })
  }

  async #broker(nodeId: string): Promise<Wired> {
    const found = this.#cluster.findBroker({ nodeId })
    return (await this.#within(LIBRARY_MS, `connecting with broker ${nodeId}`, found)) as Wired
  }

  async #learn(topic: string): Promise<void> {
    // What it was when it was asked for before, it need not be any more.
    this.#map.forget(topic)
    try {
      // An answer that was on its way already does not tell of it.
      while (this.#map.codeOf(topic) === null) await this.#askForMetadata()
      this.refuseUnusable(topic)
    } catch (error) {
      this.#topics.delete(topic)
      throw error
    }
  }

  async #refresh(): Promise<void> {
    await this.clock.sleep(REFRESH_MS)
    await this.#askForMetadata()
    // The next node is asked at once.
    if (this.#map.hasRumour) await this.#askForMetadata()
  }

  #askForMetadata(): Promise<void> {
    return asked(this.#within(LIBRARY_MS, 'asking for metadata', this.#cluster.refreshMetadata()))
  }

  async #metadata(nodeId: string, topics: readonly string[]): Promise<Metadata> {
    return asked(this.#metadataOf(await asked(this.#broker(nodeId)), topics))
  }

  async #metadataOf(broker: Wired, topics: readonly string[]): Promise<Metadata> {
    const { versions } = await this.#apisOfBroker(broker)
    const [, newest = 0] = versions.get(API.Metadata) ?? []
    return this.#send(broker, metadata(newest >= 12 ? 12 : 8, topics))
  }

  #within<T>(ms: number, doing: string, work: Promise<T>): Promise<T> {
    return within({ ms, doing, clock: this.clock }, work)
  }

  /** Asks again while a coordinator is moving. */
  async #whileMoving<T>(
    who: string,
    ask: () => Promise<T>,
    codeOf: (answer: T) => number,
  ): Promise<T> {
    const deadlineMs = this.clock.elapsedMs() + MOVING_MS
    for (;;) {
      const answer = await ask()
      const code = codeOf(answer)
      if (!hasCoordinatorMoved(code)) return answer
      if (this.clock.elapsedMs() > deadlineMs) {
        throw new TidemarkError('BROKER_UNAVAILABLE', `${who} is answered with ${nameOfCode(code)}`)
      }
      await this.clock.sleep(RETRY_MS)
    }
  }

  /** By what was last heard of a topic. @throws TidemarkError as {@link learn} */
  refuseUnusable(topic: string): void {
    const code = this.#map.codeOf(topic) ?? CODE.NONE
    if (code === CODE.TOPIC_AUTHORIZATION_FAILED) {
      throw notAllowed('DESCRIBE', { type: 'topic', name: topic })
    }
    if (code === CODE.UNKNOWN_TOPIC_OR_PARTITION || code === CODE.INVALID_TOPIC) {
      throw new TidemarkError('TOPIC_MISSING', `topic "${topic}" does not exist`)
    }
    if (this.#map.partitionsOf(topic).length > 0) return
    throw new TidemarkError(
      'BROKER_UNAVAILABLE',
      `topic "${topic}" is answered with ${nameOfCode(code)}`,
    )
  }
}

const NOT_COORDINATED: ReadonlySet<number> = new Set([
  CODE.GROUP_AUTHORIZATION_FAILED,
  CODE.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
])

function keyOf({ type, id }: Coordinated): string {
  return `${type} ${id}`
}

/**
 * What the library throws when a broker dies in the middle is not always its own error, so that is
 * what all the rest is.
 */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw fromKafka(error, 'BROKER_UNAVAILABLE')
  }
}
