import { type Cluster, Kafka, type KafkaConfig } from 'kafkajs'
import { type Clock, wallClock } from '../../../kernel/clock.ts'
import { packageVersion } from '../../../kernel/node.ts'
import { Backoff, type Random, systemRandom } from '../../../kernel/random.ts'
import { apiVersions, type BrokerApis, metadata, type TopicMetadata } from '../wire/cluster.ts'
import { type Coordinated, findCoordinator } from '../wire/groups.ts'
import {
  API,
  type ApiName,
  CODE,
  type Coded,
  hasCoordinatorMoved,
  isDenied,
  nameOfCode,
  type Request,
} from '../wire/protocol.ts'
import { ClusterMap } from './cluster-map.ts'
import {
  fromLibrary,
  isUnavailable,
  loginMistake,
  mistakeShownBy,
  notCoordinated,
  unavailable,
} from './errors.ts'
import { clusterOf, type GroupBroker } from './library.ts'
import { checkApiVersions } from './self-test.ts'
import {
  ANSWER_MS,
  connected,
  hangUp,
  isConnected,
  send,
  throttleLeftMs,
  type Wired,
} from './send.ts'
import { Sockets } from './sockets.ts'
import { firstAnswer, repeated, rotated, within } from './waiting.ts'

// Connections to the brokers of a cluster, by leader, coordinator or any. The library provides
// sockets, addresses and security. A broker answers the requests of a connection in order, so
// requests that wait on purpose (JoinGroup, Fetch) and requests that must be quick (Produce,
// EndTxn) use separate {@link Brokers}.

/** How long a request is retried while its coordinator is moving, ms. */
const MOVING_MS = 8_000
const RETRY_MS = 20
const CONNECT_MS = 5_000
/** Time limit for operations of the library that share a request, such as for metadata, ms. */
const LIBRARY_MS = 2 * ANSWER_MS
const REFRESH_MS = 50

/** How long to look for a group's coordinator again when it cannot be reached, ms. */
const SEEK_MS = 1_500
const SEEK_RETRY = { firstMs: 100, lastMs: 800 }
/** The first version of Fetch that identifies topics by id (Kafka 3.1). */
const FETCH_BY_ID = 13

interface BrokersOptions {
  /** Called with the time for which a broker throttles this client, ms. @default not reported */
  readonly throttled?: (ms: number) => void
  /** Called when the connections are closed. @default not called */
  readonly closed?: () => void
  readonly clock?: Clock
  readonly random?: Random
  /** Shared by all connections: until one has succeeded, login mistakes are reported. */
  readonly login?: { isProven: boolean }
}

/** Asks leaders and coordinators by node, and any broker by hedged requests. */
export class Brokers {
  readonly clock: Clock
  readonly random: Random
  readonly #sockets = new Sockets()
  readonly #throttled: (ms: number) => void
  readonly #closed: () => void
  readonly #config: KafkaConfig
  readonly #login: { isProven: boolean }
  readonly cluster: Cluster
  readonly map = new ClusterMap()
  readonly #coordinators = new Map<string, string>()
  readonly #apis = new WeakMap<Wired, BrokerApis>()
  readonly #met = new Map<string, Wired>()
  /** Topics that were asked for, each with a promise that resolves when the topic is known. */
  readonly #topics = new Map<string, Promise<void>>()
  #connecting: Promise<void> | null = null
  #refreshing: Promise<void> | null = null
  #refreshedMs = Number.NEGATIVE_INFINITY
  #turn = 0

  constructor(config: KafkaConfig, options: BrokersOptions = {}) {
    const { clock = wallClock, random = systemRandom } = options
    this.#config = config
    this.#login = options.login ?? { isProven: false }
    this.#throttled = options.throttled ?? (() => {})
    this.#closed = options.closed ?? (() => {})
    this.clock = clock
    this.random = random
    const kafka = new Kafka({ ...config, socketFactory: this.#sockets.factory })
    this.cluster = clusterOf(kafka, {
      brokers: config.brokers as readonly string[],
      clock,
      ask: (broker) => this.#metadataOf(broker, [...this.#topics.keys()]),
      heard: (answer) => this.map.update(answer),
    })
  }

  /**
   * Connects once; after a failure, again.
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION`
   */
  connect(): Promise<void> {
    this.#connecting ??= this.#connectOrExplain().catch((error: unknown) => {
      this.#connecting = null
      throw error
    })
    return this.#connecting
  }

  async #connectOrExplain(): Promise<void> {
    const steps = { logsIn: this.#config.sasl !== undefined, isMet: false }
    try {
      await this.#connect(steps)
      this.#login.isProven = true
    } catch (error) {
      if (this.#login.isProven || mistakeShownBy(error, steps) === null) throw error
      const brokers = this.#config.brokers as readonly string[]
      throw (await loginMistake(brokers, (broker) => this.#mistakeAt(broker), this.clock)) ?? error
    }
  }

  async #connect(steps: { isMet: boolean }): Promise<void> {
    await fromLibrary(this.#within(CONNECT_MS, 'connecting', this.cluster.connect()))
    steps.isMet = true
    await this.refresh()
  }

  async #mistakeAt(broker: string) {
    const { clock, random } = this
    const probe = new Brokers({ ...this.#config, brokers: [broker] }, { clock, random })
    const steps = { logsIn: this.#config.sasl !== undefined, isMet: false }
    try {
      await probe.#connect(steps)
      return null
    } catch (error) {
      return mistakeShownBy(error, steps)
    } finally {
      probe.close()
    }
  }

  close(): void {
    this.#sockets.close()
    this.#closed()
  }

  /** Fetches the metadata of topics and keeps them fresh. @throws TidemarkError `TOPIC_MISSING` */
  async learn(topics: readonly string[]): Promise<void> {
    const promises = topics.map((topic) => {
      const learning = this.#topics.get(topic) ?? this.#learn(topic)
      this.#topics.set(topic, learning)
      return learning
    })
    await Promise.all(promises)
  }

  /** Refreshes the metadata; concurrent calls share one request. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  async describe(topics: readonly string[]): Promise<readonly TopicMetadata[]> {
    const answer = await this.#askAny((nodeId) =>
      this.#with(nodeId, (broker) => this.#metadataOf(broker, topics)),
    )
    return answer.topics
  }

  /**
   * @throws TidemarkError `BROKER_UNAVAILABLE`: the broker may or may not have received the request
   * · `AUTHENTICATION` · `BROKER_TOO_OLD`
   */
  ask<T>(nodeId: string, request: Request<T>): Promise<T> {
    return this.#with(nodeId, (broker) => this.#send(broker, request))
  }

  isConnectedTo(nodeId: string): boolean {
    const broker = this.#met.get(nodeId)
    return broker !== undefined && this.#apis.has(broker) && isConnected(broker, 'Produce')
  }

  fetchesById(nodeId: string): Promise<boolean> {
    return this.#with(nodeId, async (_, apis) => newestOf(apis, 'Fetch') >= FETCH_BY_ID)
  }

  async connectTo(nodeId: string): Promise<void> {
    await this.#with(nodeId, (broker) => connected(broker, 'Produce'))
  }

  /** How long a broker that throttles this client accepts no records, ms. */
  throttleLeftMs(nodeId: string): number {
    const broker = this.#met.get(nodeId)
    return broker === undefined ? 0 : throttleLeftMs(broker, 'Produce')
  }

  /** Destroys the connection for records to a broker, and drops bytes that are not sent yet. */
  hangUp(nodeId: string, reason: string): void {
    const broker = this.#met.get(nodeId)
    if (broker !== undefined) hangUp(broker, 'Produce', new Error(reason))
  }

  /** Asks any broker, and retries while brokers are not ready to answer. */
  askAny<T extends Coded>(request: Request<T>): Promise<T> {
    // A node that is cut off from the others keeps describing the cluster as it was, so each call
    // begins with another node.
    const ask = () => this.#askAny((nodeId) => this.ask(nodeId, request), this.#turn++)
    return this.#whileMoving(request.api, ask)
  }

  async askController<T>(request: Request<T>): Promise<T> {
    const { controller } = this.map
    if (controller !== null) return this.ask(controller, request)
    throw unavailable('the cluster has no controller')
  }

  /**
   * Asks a coordinator, and the new one when it has moved.
   * @throws TidemarkError as {@link ask}; `BROKER_UNAVAILABLE` also when it still moves after 8 s
   */
  askCoordinator<T extends Coded>(key: Coordinated, request: Request<T>): Promise<T> {
    const ask = async () => {
      const answer = await this.#ofCoordinator(key, (nodeId) => this.ask(nodeId, request))
      if (hasCoordinatorMoved(answer.code)) this.#coordinators.delete(keyText(key))
      return answer
    }
    return this.#whileMoving(`the coordinator of ${key.type} "${key.id}"`, ask)
  }

  /** Node id of the coordinator that last answered; `undefined`: no longer known. */
  coordinatorOf(key: Coordinated): string | undefined {
    return this.#coordinators.get(keyText(key))
  }

  /** Always fetched again, because brokers are upgraded while workers run. */
  apisOfCoordinator(key: Coordinated): Promise<BrokerApis> {
    return this.#ofCoordinator(key, async (nodeId) => {
      this.#apis.delete(await this.#broker(nodeId))
      return this.#with(nodeId, async (_, apis) => apis)
    })
  }

  async groupBroker(group: string): Promise<GroupBroker> {
    const key: Coordinated = { type: 'group', id: group }
    const backoff = new Backoff(SEEK_RETRY, this.random)
    const deadlineMs = this.clock.elapsedMs() + SEEK_MS
    for (;;) {
      this.#coordinators.delete(keyText(key))
      try {
        const nodeId = await this.#coordinator(key)
        return (await this.#broker(nodeId)) as unknown as GroupBroker
      } catch (error) {
        if (!isUnavailable(error) || this.clock.elapsedMs() > deadlineMs) throw error
        await this.clock.sleep(backoff.nextMs())
      }
    }
  }

  async #ofCoordinator<T>(key: Coordinated, ask: (nodeId: string) => Promise<T>): Promise<T> {
    try {
      return await ask(await this.#coordinator(key))
    } catch (error) {
      this.#coordinators.delete(keyText(key))
      throw error
    }
  }

  async #coordinator(key: Coordinated): Promise<string> {
    const coordinator = this.#coordinators.get(keyText(key))
    if (coordinator !== undefined) return coordinator
    const { code, nodeId } = await this.askAny(findCoordinator(key))
    if (isDenied(code)) throw notCoordinated(key)
    if (code !== CODE.NONE) {
      const message = `the coordinator of ${key.type} "${key.id}" cannot be found: ${nameOfCode(code)}`
      throw unavailable(message)
    }
    this.#coordinators.set(keyText(key), String(nodeId))
    return String(nodeId)
  }

  async #askAny<T>(ask: (nodeId: string) => Promise<T>, turn = 0): Promise<T> {
    const all = this.cluster.getNodeIds().map(String)
    const isMet = (nodeId: string) => Number(this.isConnectedTo(nodeId))
    const nodes = rotated(all, turn).sort((a, b) => isMet(b) - isMet(a))
    if (nodes.length > 0) return firstAnswer(nodes, ask, this.clock)
    throw unavailable('no broker of the cluster is known')
  }

  async #with<T>(nodeId: string, work: (broker: Wired, apis: BrokerApis) => Promise<T>) {
    const broker = await this.#broker(nodeId)
    const apis = await fromLibrary(this.#apisOf(broker))
    this.#met.set(nodeId, broker)
    return fromLibrary(work(broker, apis))
  }

  async #apisOf(broker: Wired): Promise<BrokerApis> {
    const cachedApis = this.#apis.get(broker)
    if (cachedApis !== undefined) return cachedApis
    const apis = await this.#send(broker, apiVersions(packageVersion()))
    checkApiVersions(apis)
    this.#apis.set(broker, apis)
    return apis
  }

  #send<T>(broker: Wired, request: Request<T>): Promise<T> {
    return send(broker, request, this.#throttled)
  }

  async #broker(nodeId: string): Promise<Wired> {
    const search = this.cluster.findBroker({ nodeId })
    const finding = this.#within(LIBRARY_MS, `connecting with broker ${nodeId}`, search)
    return (await fromLibrary(finding)) as Wired
  }

  async #learn(topic: string): Promise<void> {
    // An earlier answer may be outdated.
    this.map.forget(topic)
    try {
      // A response that was already in flight does not contain the topic.
      while (this.map.codeOf(topic) === null) await this.#askForMetadata()
      this.map.refuseUnusable(topic)
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
    if (this.map.hasUnconfirmedId) await this.#askForMetadata()
  }

  #askForMetadata(): Promise<void> {
    const asking = this.cluster.refreshMetadata()
    return fromLibrary(this.#within(LIBRARY_MS, 'asking for metadata', asking))
  }

  async #metadataOf(broker: Wired, topics: readonly string[]) {
    const newest = newestOf(await this.#apisOf(broker), 'Metadata')
    return this.#send(broker, metadata(newest >= 12 ? 12 : 8, topics))
  }

  #within<T>(ms: number, doing: string, work: Promise<T>): Promise<T> {
    return within({ ms, doing, clock: this.clock }, work)
  }

  async #whileMoving<T extends Coded>(who: string, ask: () => Promise<T>): Promise<T> {
    const limit = { everyMs: RETRY_MS, forMs: MOVING_MS, clock: this.clock }
    const answer = await repeated(limit, ask, ({ code }) => !hasCoordinatorMoved(code))
    if (!hasCoordinatorMoved(answer.code)) return answer
    throw unavailable(`${who} answered with ${nameOfCode(answer.code)}`)
  }
}

function newestOf({ versions }: BrokerApis, api: ApiName): number {
  return versions.get(API[api].key)?.[1] ?? 0
}

function keyText({ type, id }: Coordinated): string {
  return `${type} ${id}`
}
