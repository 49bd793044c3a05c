import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, onTestFinished } from 'vitest'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { KafkaRecords } from '../../../src/records/kafka/kafka-records.ts'
import { metadataOf, until } from '../../services/cluster.ts'
import type { OwnKafka } from '../../services/from-maven.ts'
import { freshName, type KafkaService, kafkaTest, plainOptions } from '../../services/kafka.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { createTopics } from '../../services/topics.ts'
import { Listener, record } from '../../records/listener.ts'

// Partitions whose leaders go, come back, or are not what they were.

const WITHIN_MS = 30_000

function open(kafka: KafkaService): KafkaRecords {
  const records = new KafkaRecords(plainOptions(kafka))
  onTestFinished(() => records.close())
  return records
}

/** Writes one record to each of these partitions. */
async function write(
  kafka: KafkaService,
  { topic, partitions }: { readonly topic: string; readonly partitions: readonly number[] },
  value: string,
) {
  const writer = open(kafka).writer()
  await writer.send(
    partitions.map((partition) => record(topic, { partition, value: Buffer.from(value) })),
  )
  await writer.close()
}

async function join(records: KafkaRecords, group: string, topic: string) {
  for (;;) {
    const heard = new Listener()
    try {
      const member = await records.join({
        group,
        topics: [topic],
        from: 'earliest',
        handlers: heard,
      })
      return { member, heard }
    } catch (error) {
      // The group's coordinator may be the node that was just killed; a worker joins again.
      if (!(error instanceof TidemarkError) || error.code !== 'BROKER_UNAVAILABLE') throw error
    }
  }
}

describe('a partition without a leader', () => {
  ownKafkaTest(
    'is told of, and holds up none of the others: neither for its owner, nor for who joins, nor after a rebalance',
    async ({ service, node }) => {
      const [topic, group] = [freshName('topic'), freshName('group')]
      await createTopics(service, open(service), [{ name: topic, partitions: 6, replicas: 1 }])
      const all = [0, 1, 2, 3, 4, 5]
      const { partitions } = await metadataOf(service.brokers[0] as string)
      const victim = partitions.find((p) => p.topic === topic && p.partition === 0)?.leader ?? 0
      const unled = partitions
        .flatMap((p) => (p.topic === topic && p.leader === victim ? [p.partition] : []))
        .toSorted((a, b) => a - b)
      const led = all.filter((p) => !unled.includes(p))
      expect(led).not.toEqual([])
      const first = await join(open(service), group, topic)
      await write(service, { topic, partitions: all }, 'before')
      await first.heard.until(() => all.every((p) => first.heard.values(p).length === 1))

      node(victim).kill()
      const lost = unled.map((partition) => ({ topic, partition, reason: expect.any(String) }))
      // One after the other, each when it has not been read for long enough.
      await first.heard.until(() => first.heard.unreadables.at(-1)?.length === unled.length)
      const told = first.heard.unreadables.at(-1) ?? []
      expect(told.toSorted((a, b) => a.partition - b.partition)).toEqual(lost)
      const alive = { ...service, brokers: service.brokers.filter((_, i) => i !== victim - 1) }
      await write(alive, { topic, partitions: led }, 'alone')
      await first.heard.until(() => led.every((p) => first.heard.values(p).includes('alone')))

      const second = await join(open(alive), group, topic)
      const heard = (p: number, value: string) =>
        first.heard.values(p).includes(value) || second.heard.values(p).includes(value)
      await write(alive, { topic, partitions: led }, 'shared')
      await first.member.leave()
      await second.heard.until(() => led.every((p) => heard(p, 'shared')))
      await second.heard.until(() => second.heard.unreadables.at(-1)?.length === unled.length)
      await write(alive, { topic, partitions: led }, 'after')
      await second.heard.until(() => led.every((p) => second.heard.values(p).includes('after')))

      await node(victim).restart()
      await second.heard.until(() => second.heard.unreadables.at(-1)?.length === 0)
      await write(service, { topic, partitions: unled }, 'back')
      await second.heard.until(() => unled.every((p) => second.heard.values(p).includes('back')))
    },
    { nodes: 3, timeoutMs: 150_000 },
  )
})

describe('a broker that is gone', () => {
  ownKafkaTest(
    'is told of under a member that waits for records; and that it came back, with the end of the log',
    async ({ service, node }) => {
      const [topic, group] = [freshName('topic'), freshName('group')]
      await createTopics(service, open(service), [{ name: topic, partitions: 1 }])
      await write(service, { topic, partitions: [0] }, 'v')
      const { heard } = await join(open(service), group, topic)
      await heard.until(() => heard.hasReached(1))
      node(1).kill()
      await heard.until(() => heard.unreadables.length > 0)
      const reason = expect.stringMatching(/^broker 1: /)
      expect(heard.unreadables).toEqual([[{ topic, partition: 0, reason }]])
      heard.ends.length = 0
      await node(1).restart()
      await heard.until(() => heard.unreadables.at(-1)?.length === 0)
      await heard.until(() => heard.hasReached(1))
    },
  )
})

describe('a topic that was created again', () => {
  kafkaTest(
    'while it was read ends the member, though the new log has the offset that comes next',
    async (kafka) => {
      const [topic, group] = [freshName('topic'), freshName('group')]
      const records = open(kafka)
      await createTopics(kafka, records, [{ name: topic, partitions: 1 }])
      await write(kafka, { topic, partitions: [0, 0] }, 'old')
      const { member, heard } = await join(records, group, topic)
      await heard.until(() => heard.values().length === 2)
      const here = { topic, partition: 0 }
      member.pause(here)
      const admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin()
      await admin.connect()
      onTestFinished(() => admin.disconnect())
      await admin.deleteTopics({ topics: [topic] })
      const gone = async () => {
        const { partitions } = await metadataOf(kafka.brokers[0] as string)
        return partitions.every((p) => p.topic !== topic)
      }
      await until('gone', gone, WITHIN_MS)
      const again = open(kafka)
      await createTopics(kafka, again, [{ name: topic, partitions: 1 }])
      await write(kafka, { topic, partitions: [0, 0, 0, 0] }, 'new')
      member.resume(here)
      expect(await heard.fails()).toMatchObject({ code: 'TOPIC_CHANGED', where: `${topic}-0@2` })
      expect(heard.values()).toEqual(['old', 'old'])
    },
  )

  kafkaTest('is told apart by its id', async (kafka) => {
    const topic = freshName('topic')
    const records = open(kafka)
    await createTopics(kafka, records, [{ name: topic, partitions: 1 }])
    const { partitions } = await metadataOf(kafka.brokers[0] as string)
    expect(partitions.some((p) => p.topic === topic)).toBe(true)
    const id = (await records.describeTopics([topic])).get(topic)?.id
    expect(id).toMatch(/^[\w-]{22}$/)
  })
})

describe('a log that was cut back by an unclean election', () => {
  ownKafkaTest(
    'ends the member, though the new leader has the offset that comes next',
    async (kafka) => {
      const { service, node } = kafka
      const [topic, group] = [freshName('topic'), freshName('group')]
      const config = { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' }
      await createTopics(service, open(service), [
        { name: topic, partitions: 1, replicas: 2, config },
      ])
      const { leader, other, third } = await rolesOf(kafka, topic)
      const { member, heard } = await join(open(service), group, topic)
      await write(service, { topic, partitions: [0] }, 'both')
      await heard.until(() => heard.values().length === 1)

      node(other).kill()
      await until(
        'alone',
        async () => (await stateOf(node(leader).address, topic)).inSync.length === 1,
        WITHIN_MS,
      )
      await write(
        { ...service, brokers: [node(leader).address] },
        { topic, partitions: [0, 0, 0] },
        'one',
      )
      await heard.until(() => heard.values().length === 4)
      const here = { topic, partition: 0 }
      member.pause(here)
      node(leader).kill()
      await node(other).restart()
      const isElected = async () => (await stateOf(node(third).address, topic)).leader === other
      await until('elected', isElected, WITHIN_MS)
      const left = { ...service, brokers: [node(other).address, node(third).address] }
      await write(left, { topic, partitions: [0, 0, 0, 0, 0] }, 'other')
      member.resume(here)
      expect(await heard.fails()).toMatchObject({ code: 'LOG_TRUNCATED', where: `${topic}-0@4` })
      expect(heard.values()).toEqual(['both', 'one', 'one', 'one'])
    },
    { nodes: 3, timeoutMs: 150_000 },
  )
})

async function stateOf(address: string, topic: string) {
  const { partitions } = await metadataOf(address)
  const state = partitions.find((p) => p.topic === topic)
  if (state === undefined) throw new Error(`${topic} is not known`)
  return state
}

async function rolesOf({ service, nodes }: OwnKafka, topic: string) {
  const { leader, replicas } = await stateOf(service.brokers[0] as string, topic)
  const other = replicas.find((id) => id !== leader) ?? 0
  const third = nodes.map(({ id }) => id).find((id) => !replicas.includes(id)) ?? 0
  return { leader, other, third }
}
