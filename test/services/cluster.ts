import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import type { TopicPartition } from '../../src/connect/port.ts'
import { ask, encoder } from './ask.ts'
import type { KafkaService } from './kafka.ts'

// The cluster as a broker knows it. Addresses are `host:port` of listeners without security.

const HANG_MS = 120_000

interface Metadata {
  /** Addresses of the nodes that are alive, by id. */
  readonly nodes: ReadonlyMap<number, string>
  readonly partitions: readonly PartitionState[]
}

interface PartitionState {
  readonly topic: string
  readonly partition: number
  /** −1: none. */
  readonly leader: number
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
}

/** The nodes and all topics, as the broker knows them. */
export async function metadataOf(address: string): Promise<Metadata> {
  const body = encoder().writeInt32(-1).writeInt8(0)
  const answer = await ask(address, { api: 3, version: 4, body })
  answer.readInt32()
  const nodes = answer.readArray((node) => {
    const [id, at] = [node.readInt32(), `${node.readString()}:${node.readInt32()}`] as const
    node.readString()
    return [id, at] as const
  })
  answer.readString()
  answer.readInt32()
  const topics = answer.readArray((of) => {
    of.readInt16()
    const topic = of.readString()
    of.readInt8()
    return of.readArray((state) => {
      state.readInt16()
      return {
        topic,
        partition: state.readInt32(),
        leader: state.readInt32(),
        replicas: state.readArray((id) => id.readInt32()),
        inSync: state.readArray((id) => id.readInt32()),
      }
    })
  })
  return { nodes: new Map(nodes), partitions: topics.flat() }
}

/** The node that coordinates a group, or the transactions of an id; `null` while there is none. */
export async function coordinatorOf(
  address: string,
  what: { group: string } | { transactionalId: string },
): Promise<number | null> {
  const [type, key] = 'group' in what ? [0, what.group] : [1, what.transactionalId]
  const body = encoder().writeString(key).writeInt8(type)
  const answer = await ask(address, { api: 10, version: 1, body })
  answer.readInt32()
  const hasNone = answer.readInt16() !== 0
  answer.readString()
  return hasNone ? null : answer.readInt32()
}

/** Where the leader of a partition is. @throws Error while there is none */
export async function leaderOf(
  { brokers: [first = ''] }: KafkaService,
  { topic, partition }: TopicPartition,
): Promise<string> {
  const { nodes, partitions } = await metadataOf(first)
  const of = partitions.find((p) => p.topic === topic && p.partition === partition)
  const leader = nodes.get(of?.leader ?? -1)
  if (leader === undefined) throw new Error(`${topic}-${partition} has no leader`)
  return leader
}

/** Does each of these nodes know that all of them are alive? */
export async function areUp(addresses: readonly string[]): Promise<boolean> {
  const known = await Promise.all(addresses.map(metadataOf))
  return known.every(({ nodes }) => addresses.every((at) => [...nodes.values()].includes(at)))
}

/** Does each of these nodes know that every replica of every partition is in sync? */
export async function areInSync(addresses: readonly string[]): Promise<boolean> {
  const known = await Promise.all(addresses.map(metadataOf))
  return known.every(({ partitions }) =>
    partitions.every((p) => p.leader >= 0 && p.inSync.length === p.replicas.length),
  )
}

/**
 * Resolves when the brokers answer, and take groups and transactions. @throws Error as
 * {@link until}
 */
export async function ready(brokers: readonly string[], withinMs?: number): Promise<void> {
  await until('ready', () => takesGroupsAndTransactions([...brokers]), withinMs)
}

/**
 * Asks until the answer is yes; an error is a no. @throws Error when it is not after `withinMs`: by
 * default a time that nothing needs, on however busy a machine
 */
export async function until(
  what: string,
  question: () => boolean | Promise<boolean>,
  withinMs = HANG_MS,
): Promise<void> {
  const deadlineMs = Date.now() + withinMs
  for (;;) {
    let cause: unknown = null
    try {
      if (await question()) return
    } catch (error) {
      cause = error
    }
    if (Date.now() > deadlineMs) {
      const reason = cause instanceof Error ? `: ${cause.message}` : ''
      throw new Error(`not ${what} after ${withinMs} ms${reason}`, { cause })
    }
    await sleep(50)
  }
}

async function takesGroupsAndTransactions(brokers: string[]): Promise<boolean> {
  const retry = { retries: 0 }
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry }).admin()
  try {
    await admin.connect()
    // After this the library knows which brokers there are.
    await admin.listTopics()
    // The first question about a group makes the brokers create the topic in which they keep them,
    // which takes a while; so it is with transactions. By their hashes these three lie in the three
    // partitions that each topic has here.
    const names = ['a', 'b', 'c']
    for (const groupId of names) await admin.fetchOffsets({ groupId })
    const [first = ''] = brokers
    const coordinators = await Promise.all(
      names.map((transactionalId) => coordinatorOf(first, { transactionalId })),
    )
    return !coordinators.includes(null)
  } finally {
    await admin.disconnect()
  }
}
