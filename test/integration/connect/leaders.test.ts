import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, onTestFinished } from 'vitest'
import { metadataOf, until } from '../../services/cluster.ts'
import { freshName, kafkaTest } from '../../services/kafka.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { createTopics } from '../../services/topics.ts'
import { join, open, write } from './joined.ts'

// A broker that is gone, and topics that are not what they were.

describe('a broker that is gone', () => {
  ownKafkaTest(
    'is told of under a member that waits for records; and that it came back, with the end of the log',
    async ({ service, node }) => {
      const [topic, group] = [freshName('topic'), freshName('group')]
      await createTopics(service, open(service), [{ name: topic, partitions: 1 }])
      await write(service, { topic, partitions: [0] }, 'v')
      const { heard } = await join(open(service), group, topic)
      await heard.until(() => heard.hasReached(1))
      node(1).halt()
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
      await until('gone', gone)
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
    const id = (await records.describe([topic])).get(topic)?.id
    expect(id).toMatch(/^[\w-]{22}$/)
  })
})
