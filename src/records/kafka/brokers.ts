import { type Cluster, Kafka, type KafkaConfig } from 'kafkajs'
import { type Clock, wallClock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { packageVersion } from '../../kernel/node.ts'
import { Backoff, type Random, systemRandom } from '../../kernel/random.ts'
import type { TopicPartition } from '../port.ts'
import { ClusterMap } from './cluster-map.ts'
import { fromKafka } from './errors.ts'
import { firstAnswer } from './first-answer.ts'
import { clusterOf, type GroupBroker } from './library.ts'
import { type LoginMistake, loginMistake, mistakeShownBy } from './login-mistake.ts'
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

// One set of connections to a cluster: who leads what, who coordinates whom, and how to send them
// requests. The library provides connections, addresses and security. A broker answers the requests
// of a connection one after the other, so requests that wait on purpose (JoinGroup, Fetch) and
// requests that must be quick (Produce, EndTxn) use separate sets.

/** How long a request is retried while its coordinator is moving, ms. */
const MOVING_MS = 8_000
const RETRY_MS = 20
/** Time limit for an answer, not counting the time that a broker waits on purpose, ms. */
const ANSWER_MS = 10_000
/** Time limit for the connection to one of the bootstrap brokers, ms. */
const CONNECT_MS = 5_000
/**
 * Time limit for operations of the library that others wait for as well, such as the shared
 * metadata request, ms.
 */
const LIBRARY_MS = 2 * ANSWER_MS
/** Shortest interval between two refreshes of the metadata, ms. */
const REFRESH_MS = 50

/** How long to look for a group's coordinator again when it cannot be reached, ms. */
const SEEK_MS = 1_500
const SEEK_RETRY = { firstMs: 100, lastMs: 800 }
/** The first version of Fetch that identifies topics by id (Kafka 3.1). */
const FETCH_BY_ID = 13

export type { Coordinated } from './wire/groups.ts'

/** Options of {@link Brokers}. */
export interface BrokersOptions {
  /**
   * Called with the time for which a broker throttles this client.
   * @default not reported
   */
  readonly throttled?: Throttled
  /** @default the wall clock */
  readonly clock?: Clock
  /**
   * Randomises retry intervals.
   * @default Math.random
   */
  readonly random?: Random
  /**
   * Shared by all connections of a client. Until one has succeeded, a login that is missing or not
   * wanted is told as such.
   * @default its own
   */
  readonly login?: { isProven: boolean }
}

/** A set of connections to the brokers of a cluster. */
export class Brokers {
  /** The clock of everything that uses these brokers. */
  readonly clock: Clock
  /** Randomises retry intervals. */
  readonly random: Random
  readonly #sockets = new Sockets()
  readonly #throttled: Throttled
  readonly #config: KafkaConfig
  readonly #login: { isProven: boolean }
  readonly #cluster: Cluster
  readonly #map = new ClusterMap()
  readonly #coordinators = new Map<string, string>()
  readonly #apis = new WeakMap<Wired, BrokerApis>()
  readonly #met = new Map<string, Wired>()
  /** Topics that were asked for, with a promise that resolves when they are known. */
  readonly #topics = new Map<string, Promise<void>>()
  #refreshing: Promise<void> | null = null
  /** When the metadata were last refreshed, by the clock's elapsed time. */
  #refreshedMs = Number.NEGATIVE_INFINITY
  #turn = 0

  constructor(
    config: KafkaConfig,
    {
      throttled = () => {},
      clock = wallClock,
      random = systemRandom,
      login = { isProven: false },
    }: BrokersOptions = {},
  ) {
    this.#config = config
    this.#login = login
    this.#throttled = throttled
    this.clock = clock
    this.random = random
    const kafka = new Kafka({ ...config, socketFactory: this.#sockets.factory })
    this.#cluster = clusterOf(kafka, {
      brokers: config.brokers as readonly string[],
      clock,
      ask: (broker) => this.#metadataOf(broker, [...this.#topics.keys()]),
      heard: (found) => this.#map.update(found),
    })
  }

  /** For the library's own assigners. */
  get cluster(): Cluster {
    return this.#cluster
  }

  /** @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` */
  async connect(): Promise<void> {
    const steps = { logsIn: this.#config.sasl !== undefined, isMet: false }
    try {
      await this.#connect(steps)
      this.#login.isProven = true
    } catch (error) {
      if (this.#login.isProven || mistakeShownBy(error, steps) === null) throw error
      const brokers = this.#config.brokers as readonly string[]
      throw (await loginMistake(brokers, (one) => this.#mistakeAt(one), this.clock)) ?? error
    }
  }

  async #connect(steps: { isMet: boolean }): Promise<void> {
    await asked(this.#within(CONNECT_MS, 'connecting', this.#cluster.connect()))
    steps.isMet = true
    await this.refresh()
  }

  async #mistakeAt(broker: string): Promise<LoginMistake | null> {
    const { clock, random } = this
    const one = new Brokers({ ...this.#config, brokers: [broker] }, { clock, random })
    const steps = { logsIn: this.#config.sasl !== undefined, isMet: false }
    try {
      await one.#connect(steps)
      return null
    } catch (error) {
      return mistakeShownBy(error, steps)
    } finally {
      one.close()
    }
  }

  /** Closes the connections and with them pending requests. */
  close(): void {
    this.#sockets.close()
  }

  /**
   * Fetches the metadata of topics, including the leaders of partitions that have one. They are
   * refreshed from then on.
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
   * Refreshes the metadata. Concurrent calls share one request.
   * @throws as {@link learn}
   */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  /** The node id of a partition's leader; `undefined`: no leader is known. */
  leaderOf(partition: TopicPartition): string | undefined {
    return this.#map.leaderOf(partition).nodeId ?? undefined
  }

  /**
   * The leader epoch of a partition, which grows with every change of the leader; −1: not known.
   */
  leaderEpochOf(partition: TopicPartition): number {
    return this.#map.leaderOf(partition).epoch
  }

  /**
   * The topic id, which differs from that of a deleted topic of the same name; `null`: not known,
   * or the brokers do not support topic ids.
   */
  idOf(topic: string): string | null {
    return this.#map.idOf(topic)
  }

  /**
   * The partition numbers of a topic, including partitions without a leader; empty when the topic
   * is not known.
   */
  partitionsOf(topic: string): readonly number[] {
    return this.#map.partitionsOf(topic)
  }

  /**
   * Fetches the current metadata of any topics.
   * @throws as {@link ask}
   */
  async describe(topics: readonly string[]): Promise<readonly TopicMetadata[]> {
    const found = await this.#askAny((nodeId) => this.#metadata(nodeId, topics))
    return found.topics
  }

  /**
   * Sends a request to one broker.
   * @throws TidemarkError `BROKER_UNAVAILABLE`: the broker may or may not have received the request
   * · `AUTHENTICATION` · `BROKER_TOO_OLD`
   */
  async ask<T>(nodeId: string, request: Request<T>): Promise<T> {
    return asked(this.#ask(nodeId, request))
  }

  /** Can records be sent to a broker without connecting first? */
  hasMet(nodeId: string): boolean {
    const broker = this.#met.get(nodeId)
    return broker !== undefined && this.#apis.has(broker) && isConnected(broker, 'Produce')
  }

  /** Does a broker support Fetch by topic id? */
  async fetchesById(nodeId: string): Promise<boolean> {
    const { versions } = await asked(this.#apisOf(nodeId))
    return (versions.get(API.Fetch)?.[1] ?? 0) >= FETCH_BY_ID
  }

  /**
   * Opens the connection for records to a broker and learns its API versions.
   * @throws as {@link ask}
   */
  async meet(nodeId: string): Promise<void> {
    await asked(this.#apisOf(nodeId))
    await asked(connected(await asked(this.#broker(nodeId)), 'Produce'))
  }

  /** How long a broker that throttles this client accepts no records, ms. */
  throttleLeftMs(nodeId: string): number {
    const broker = this.#met.get(nodeId)
    return broker === undefined ? 0 : throttleLeftMs(broker, 'Produce')
  }

  /** Destroys the connection for records to a broker: what has not been sent yet never will be. */
  hangUp(nodeId: string, reason: string): void {
    const broker = this.#met.get(nodeId)
    if (broker !== undefined) hangUp(broker, 'Produce', new Error(reason))
  }

  /**
   * Sends a request to any broker, and retries while brokers are not ready to answer it.
   * @throws as {@link askCoordinator}
   */
  askAny<T>(request: Request<T>, codeOf: (answer: T) => number): Promise<T> {
    // Begin with another node each time: a node that is cut off from the others keeps describing
    // the cluster as it was.
    const ask = () => this.#askAny((nodeId) => this.ask(nodeId, request), this.#turn++)
    return this.#whileMoving(request.api, ask, codeOf)
  }

  /**
   * Sends a request to the controller.
   * @throws as {@link ask}
   */
  async askController<T>(request: Request<T>): Promise<T> {
    const { controller } = this.#map
    if (controller !== null) return this.ask(controller, request)
    throw new TidemarkError('BROKER_UNAVAILABLE', 'the cluster has no controller')
  }

  /**
   * Sends a request to a coordinator, and to the new one when it has moved.
   * @param codeOf returns the error code of an answer
   * @throws TidemarkError as {@link ask}; `BROKER_UNAVAILABLE` also when it is still moving after 8
   * s
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

  /** The node id of the coordinator that last answered; `undefined`: no longer known. */
  coordinatorOf(of: Coordinated): string | undefined {
    return this.#coordinators.get(keyOf(of))
  }

  /**
   * The API versions of a coordinator, always fetched again, since brokers are upgraded while
   * workers run.
   */
  async apisOfCoordinator(of: Coordinated): Promise<BrokerApis> {
    return this.#ofCoordinator(of, async (nodeId) => {
      this.#apis.delete(await asked(this.#broker(nodeId)))
      return asked(this.#apisOf(nodeId))
    })
  }

  /**
   * A group's coordinator as the library's object, connected.
   * @throws TidemarkError as {@link askCoordinator}
   */
  async groupBroker(group: string): Promise<GroupBroker> {
    const of: Coordinated = { type: 'group', id: group }
    const backoff = new Backoff(SEEK_RETRY, this.random)
    const deadlineMs = this.clock.elapsedMs() + SEEK_MS
    for (;;) {
      // The known coordinator may have moved, or may not answer any more.
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

  /** Runs requests on a coordinator. After a failure the next call looks it up again. */
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
      const message = `the coordinator of ${of.type} "${of.id}" cannot be found: ${nameOfCode(code)}`
      throw new TidemarkError('BROKER_UNAVAILABLE', message)
    }
    this.#coordinators.set(keyOf(of), String(nodeId))
    return String(nodeId)
  }

  /**
   * Returns the answer of the first broker that answers. Connected brokers are asked first.
   * @param turn which broker comes first
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
    const apis = await this.#send(
      broker,
      apiVersions({ name: 'tidemark', version: packageVersion() }),
    )
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
    // What an earlier request returned may be outdated.
    this.#map.forget(topic)
    try {
      // A response that was already in flight does not contain the topic.
      while (this.#map.codeOf(topic) === null) await this.#askForMetadata()
      this.refuseUnusable(topic)
    } catch (error) {
      this.#topics.delete(topic)
      throw error
    }
  }

  async #refresh(): Promise<void> {
    const waitMs = this.#refreshedMs + REFRESH_MS - this.clock.elapsedMs()
    if (waitMs > 0) await this.clock.sleep(waitMs)
    this.#refreshedMs = this.clock.elapsedMs()
    await this.#askForMetadata()
    // A changed topic id counts only when a second node confirms it.
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

  /** Repeats a request while its coordinator is moving. */
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
        throw new TidemarkError('BROKER_UNAVAILABLE', `${who} answered with ${nameOfCode(code)}`)
      }
      await this.clock.sleep(RETRY_MS)
    }
  }

  /**
   * Checks the last known metadata of a topic.
   * @throws TidemarkError as {@link learn}
   */
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
      `the brokers answered a metadata request for topic "${topic}" with ${nameOfCode(code)}`,
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
 * Turns what the library throws into a {@link TidemarkError}. When a broker dies during a request,
 * the library does not always throw an error of its own, so any unknown error means
 * `BROKER_UNAVAILABLE`.
 */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw fromKafka(error, 'BROKER_UNAVAILABLE')
  }
}
