import { type Admin, Kafka, logLevel } from 'kafkajs'
import { expect, onTestFinished } from 'vitest'
import type { KafkaOptions } from '../../../src/connect/kafka/client/options.ts'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import type { Commit, Guarantee, Member, NewTopic } from '../../../src/connect/port.ts'
import type { TidemarkError } from '../../../src/kernel/errors.ts'
import { next } from '../../connect/driver.ts'
import { Listener, record } from '../../connect/listener.ts'
import { ask, encoder } from '../../services/ask.ts'
import { until } from '../../services/cluster.ts'
import { API, FaultyWire } from '../../services/faulty-wire.ts'
import { openTransactions } from '../../services/foreign.ts'
import type { OwnKafka } from '../../services/from-maven.ts'
import { freshName, SESSION_MS } from '../../services/kafka.ts'
import { committedIn, rawLog } from '../../services/raw-log.ts'
import { createTopics } from '../../services/topics.ts'

// A group that copies records exactly once, over a wire that fails.

/** Below the time after which the broker would abort it by itself. */
const MARKERS_MS = 6_000

interface Joined {
  readonly member: Member
  readonly heard: Listener
}

export interface Transacting {
  readonly kafka: OwnKafka
  readonly wire: FaultyWire
  readonly topic: string
  readonly outputs: string
  readonly group: string
  /** A member by connections of its own; over the wire unless brokers are given. */
  readonly join: (options?: Partial<KafkaOptions>, guarantee?: Guarantee) => Promise<Joined>
  /** An output of a partition, and the offset after it. */
  readonly commitOf: (heard: Listener, nextOffset: number, partition?: number) => Commit
  /** The outputs that readers of committed records get, by the raw log. */
  readonly published: () => Promise<(string | null)[]>
  /** Asks the cluster beside the driver. */
  readonly admin: Admin
  /**
   * Resolves when the group has committed this offset for a partition: a broker may show it only
   * after its transaction has ended.
   */
  readonly reaches: (nextOffset: number, partition?: number) => Promise<void>
  /** Ids by which the group knows its members. */
  readonly memberIds: () => Promise<string[]>
  /** Takes a member out of the group, as if its session had passed. The Kafka has one node. */
  readonly expel: (memberId: string) => Promise<void>
}

/**
 * The topic holds 10 records in each of its partitions. @param sink how the topic for outputs is
 * made
 */
export async function transacting(
  kafka: OwnKafka,
  partitions = 1,
  sink: Partial<NewTopic> = {},
): Promise<Transacting> {
  const wire = await FaultyWire.before(kafka)
  const { service } = kafka
  const { brokers } = service
  const [topic, outputs, group] = [freshName('topic'), freshName('outputs'), freshName('group')]
  const plain = new KafkaRecords({ brokers })
  onTestFinished(() => plain.close())
  await createTopics(service, plain, [
    { name: topic, partitions },
    { name: outputs, partitions: 1, ...sink },
  ])
  const writer = plain.writer()
  for (let partition = 0; partition < partitions; partition++) {
    await writer.write(Array.from({ length: 10 }, () => record(topic, { partition })))
  }
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  onTestFinished(() => admin.disconnect())
  await admin.connect()
  return {
    ...{ kafka, wire, topic, outputs, group, admin },
    join: async (options = {}, guarantee = 'exactly-once') => {
      const records = new KafkaRecords({
        brokers: wire.brokers,
        // Longer than a rebalance waits for the commit in flight.
        sessionTimeoutMs: 2 * SESSION_MS,
        ...options,
      })
      onTestFinished(() => records.close())
      const heard = new Listener()
      const what = { group, topics: [topic], from: 'earliest', guarantee } as const
      const member = await records.join({ ...what, handlers: heard })
      return { member, heard }
    },
    commitOf: (heard, nextOffset, partition = 0) => ({
      outputs: [record(outputs, { value: Buffer.from(`${partition}/${nextOffset}`) })],
      deadLetters: [],
      nextOffsets: [next(heard.assignment(partition), nextOffset, `note ${nextOffset}`)],
    }),
    published: async () => {
      await noneOpen(kafka, group)
      const log = await rawLog(kafka.service, { topic: outputs, partition: 0 }, 'readUncommitted')
      return committedIn(log).map(({ value }) => value)
    },
    reaches: async (nextOffset, partition = 0) => {
      const isReached = async () =>
        (await plain.offsets(group, topic))[partition]?.committed?.nextOffset === nextOffset
      await until(`at ${nextOffset} in partition ${partition}`, isReached)
    },
    memberIds: async () => {
      const { groups } = await admin.describeGroups([group])
      return groups.flatMap(({ members }) => members.map(({ memberId }) => memberId))
    },
    expel: async (memberId) => {
      const body = encoder().writeString(group).writeString(memberId)
      await ask(kafka.node(1).address, { api: API.leaveGroup, version: 1, body })
    },
  }
}

export const GUARANTEES = ['exactly-once', 'at-least-once'] as const

interface Numbered {
  readonly from: number
  readonly count: number
  /** The length of each value. */
  readonly bytes: number
}

/** Outputs of the first record, each with its number, which {@link publishedNumbers} reads. */
export function numbered(
  { outputs }: Transacting,
  heard: Listener,
  { from, count, bytes }: Numbered,
): Commit {
  const values = numbers(count).map((i) => Buffer.from(`${from + i}`.padEnd(bytes)))
  return {
    outputs: values.map((value) => record(outputs, { value, partition: null })),
    deadLetters: [],
    nextOffsets: [next(heard.assignment(), 1)],
  }
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

export async function publishedNumbers(set: Transacting): Promise<number[]> {
  return (await set.published()).map(Number)
}

/**
 * Assembles the commit again and sends it until it is taken, as a worker does; gives the codes of
 * what went wrong.
 */
export async function commitUntilTaken(member: Member, commit: () => Commit): Promise<string[]> {
  const codes: string[] = []
  for (;;) {
    try {
      await member.commit(commit())
      return codes
    } catch (error) {
      codes.push((error as TidemarkError).code)
      expect(['retry', 'release']).toContain((error as TidemarkError).action)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** None of the group's is left open. */
export async function expectNoneOpen({ kafka, group }: Transacting): Promise<void> {
  await noneOpen(kafka, group)
}

/** Markers may be written after the broker has taken a transaction's end. */
async function noneOpen(kafka: OwnKafka, group: string): Promise<void> {
  const isNoneOpen = async () => {
    const open = await openTransactions(kafka.service)
    return !open.some((id) => id.startsWith(group))
  }
  await until('without an open transaction', isNoneOpen, MARKERS_MS)
}
