import {
  type Broker,
  type Cluster,
  type Kafka,
  type LogEntry,
  type logCreator,
  logLevel,
  PartitionAssigners,
} from 'kafkajs'
import type { Clock } from '../../../kernel/clock.ts'
import type { Metadata } from '../wire/cluster.ts'
import type { KafkaLog } from './options.ts'
import { hangUp, type Wired } from './send.ts'
import { type Address, UNCONNECTED } from './sockets.ts'
import { firstAnswer, rotated } from './waiting.ts'

// Private parts of kafkajs 2.2.4: cluster/index.js (brokerPool), and of cluster/brokerPool.js the
// members of BrokerPool below. Its `refreshMetadata` asks a connected broker for `metadata`, and
// keeps addresses by it.

type Fields = Readonly<Record<string, unknown>>

/** The library's own requests, which its types leave out. */
export interface GroupBroker extends Broker {
  joinGroup(fields: Fields): Promise<unknown>
  syncGroup(fields: Fields): Promise<{ readonly memberAssignment: Buffer }>
  heartbeat(fields: Fields): Promise<unknown>
  leaveGroup(fields: Fields): Promise<unknown>
}

interface PoolBroker extends Wired {
  readonly versions: unknown
}

interface BrokerPool {
  readonly rootLogger: unknown
  readonly connectionPoolBuilder: { build(address: Address): Promise<unknown> }
  /** Retries the work while it fails, as often as the configuration says. */
  readonly retrier: (work: () => Promise<void>) => Promise<void>
  /** By node id. */
  readonly brokers: Readonly<Record<string, PoolBroker>>
  seedBroker: PoolBroker
  versions: unknown
  createBroker: (options: unknown) => PoolBroker
  hasConnectedBrokers: () => boolean
  connect: () => Promise<void>
  findBroker: (node: { readonly nodeId: string }) => Promise<PoolBroker>
  findConnectedBroker: () => Promise<PoolBroker>
}

const DROPPED = 'the client dropped the connection'

interface LibraryClusterOptions {
  /** `host:port` of the bootstrap brokers. */
  readonly brokers: readonly string[]
  readonly clock: Clock
  readonly ask: (broker: Wired) => Promise<Metadata>
  readonly heard: (metadata: Metadata) => void
}

/**
 * Returns the library's cluster with our own metadata requests. The library's request fails as a
 * whole for one partition without a leader, and waits for one broker while that hangs.
 */
export function clusterOf(kafka: Kafka, { brokers, clock, ask, heard }: LibraryClusterOptions) {
  const cluster = clusterFromAssigner(kafka)
  const { brokerPool: pool } = cluster as unknown as { readonly brokerPool: BrokerPool }
  const { createBroker } = pool
  pool.createBroker = (options) => {
    const broker = createBroker(options)
    const metadata = async () => {
      const others = Object.keys(pool.brokers).filter((nodeId) => pool.brokers[nodeId] !== broker)
      const askOne = async (nodeId: string | null) =>
        ask(nodeId === null ? broker : await pool.findBroker({ nodeId }))
      const answer = await firstAnswer([null, ...others], askOne, clock)
      heard(answer)
      return libraryMetadata(answer)
    }
    const leave = broker.disconnect.bind(broker)
    const disconnect = async () => {
      // A broker that hangs would delay the disconnect, and metadata requests with it.
      const reason = new Error(DROPPED)
      for (const api of ['Metadata', 'Fetch'] as const) hangUp(broker, api, reason)
      await leave()
    }
    return Object.assign(broker, { metadata, disconnect })
  }
  pool.connect = async () => {
    if (!pool.hasConnectedBrokers()) await pool.retrier(() => connectOne(pool, brokers, clock))
  }
  let turn = 0
  pool.findConnectedBroker = async () => {
    const isOpen = (nodeId: string) => Number(pool.brokers[nodeId]?.isConnected())
    const all = Object.keys(pool.brokers)
    // Another one each time, because a broker that has just come back describes the old state for a
    // while.
    const nodes = rotated(all, turn++).sort((a, b) => isOpen(b) - isOpen(a))
    try {
      const find = (nodeId: string) => pool.findBroker({ nodeId })
      if (nodes.length > 0) return await firstAnswer(nodes, find, clock)
    } catch {
      // All may have new addresses by now.
    }
    await pool.connect()
    return pool.seedBroker
  }
  return cluster
}

async function connectOne(pool: BrokerPool, brokers: readonly string[], clock: Clock) {
  let isConnected = false
  const connect = async (address: string) => {
    const connectionPool = await pool.connectionPoolBuilder.build(addressOf(address))
    const broker = pool.createBroker({ connectionPool, logger: pool.rootLogger })
    try {
      await broker.connect()
    } finally {
      // Connected too late, or not at all.
      if (isConnected || !broker.isConnected()) await broker.disconnect()
    }
    isConnected = true
    return broker
  }
  pool.seedBroker = await firstAnswer(brokers, connect, clock)
  pool.versions = pool.seedBroker.versions
}

/** Parses `host:port`, where the host may be `[::1]`. */
function addressOf(broker: string): Address {
  const at = broker.lastIndexOf(':')
  return {
    host: broker.slice(0, at).replaceAll(/^\[|\]$/g, ''),
    port: Number(broker.slice(at + 1)),
  }
}

/** Returns the library's cluster, which it passes to partition assigners and nowhere else. */
function clusterFromAssigner(kafka: Kafka): Cluster {
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

function libraryMetadata({ nodes, controllerId, topics }: Metadata) {
  return {
    brokers: nodes,
    controllerId,
    clusterId: null,
    topicMetadata: topics.map(({ topic, code, partitions }) => ({
      topic,
      topicErrorCode: code,
      partitionMetadata: partitions.map(({ partition, leader }) => ({
        partitionId: partition,
        leader,
      })),
    })),
  }
}

// The library's log, rewritten. Most of it is also thrown.

/**
 * Lines that are dropped: requests that ended because the driver was closed or a broker dropped,
 * responses to requests that are no longer waited for, and failures that are retried.
 */
const SILENT = new RegExp(
  `(the driver is closed|${DROPPED}|${UNCONNECTED})$|^(Response|Could not|Failed to connect) `,
)
/** Parts of the library that throw everything they log. */
const THROWN = /^(BrokerPool|Cluster|SASL\w*)$/

/** How long the same line is suppressed, ms: a broker that is down causes several a second. */
const REPEAT_MS = 60_000

export function quietLog(log: KafkaLog, clock: Clock): logCreator {
  const loggedMs = new Map<string, number>()
  return () =>
    ({ level, namespace, log: line }: LogEntry) => {
      if (level > logLevel.WARN || THROWN.test(namespace)) return
      const message = sentence(line)
      if (message === null) return
      const now = clock.elapsedMs()
      if (now - (loggedMs.get(message) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return
      if (loggedMs.size > 100) loggedMs.clear()
      loggedMs.set(message, now)
      log(message)
    }
}

/** The line in plain words; `null`: it is dropped. */
function sentence({ message, broker, error }: LogEntry['log']): string | null {
  const all = typeof error === 'string' ? `${message}: ${error}` : message
  if (SILENT.test(all)) return null
  const [line = ''] = all.split('\n')
  const name = typeof broker === 'string' ? broker : ''
  const [, why] = /^Connection error: (.*)/.exec(line) ?? []
  if (why !== undefined) return `the connection to broker ${name} failed: ${why}`
  if (!line.startsWith('Connection timeout')) {
    return `the Kafka client says${name && ` about broker ${name}`}: ${line}`
  }
  return `broker ${name} does not accept a connection, or does not answer on it`
}
