import { describe, expect } from 'vitest'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { Listener, record } from '../../connect/listener.ts'
import { API } from '../../services/faulty-wire.ts'
import { foreignProducer } from '../../services/foreign.ts'
import { freshName, type KafkaService, kafkaTest, plainOptions } from '../../services/kafka.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { createTopics } from '../../services/topics.ts'
import { transacting } from './transacting.ts'

// Partitions that were assigned, and of which it cannot be told yet where they begin.

/** More than there are in the time after which it is told. */
const MANY = 200

describe('a partition that cannot be begun', () => {
  ownKafkaTest('is told of when the group does not say what is committed', async (kafka) => {
    const set = await transacting(kafka, 2)
    const one = await set.join()
    const other = await set.join({ brokers: kafka.service.brokers })
    for (let i = 0; i < MANY; i++) set.wire.cut(API.offsetFetch)
    await other.member.leave()
    await one.heard.until(() => one.heard.unreadables.length > 0)
    const partition = one.heard.losses[0]?.partition
    expect(one.heard.unreadables).toEqual([
      [{ topic: set.topic, partition, reason: expect.any(String) }],
    ])
  })

  kafkaTest('is told of while a transaction of another owner is open', async (kafka) => {
    const { topic, records, join, committing } = await held(kafka, 1)
    const end = await committing(0)
    const { heard, joining } = join()
    await heard.until(() => heard.unreadables.length > 0)
    const reason = 'a transaction of another owner has not been ended yet'
    expect(heard.unreadables).toEqual([[{ topic, partition: 0, reason }]])
    await end()
    await joining
    expect(heard.unreadables.at(-1)).toEqual([])
    expect(heard.assignment()).toMatchObject({ nextOffset: 1 })
    await records.close()
  })

  kafkaTest('lets nothing flow to whoever waits to have joined', async (kafka) => {
    const { records, join, committing } = await held(kafka, 2)
    const one = await join().joining
    const ends = [await committing(0), await committing(1)]
    const { heard, joining } = join()
    await heard.until(() => heard.unreadables.length > 0)
    await one.leave()
    await heard.until(() => heard.unreadables.at(-1)?.length === 2)
    const first = heard.unreadables[0]?.[0]?.partition as 0 | 1
    await ends[first]?.()
    await heard.until(() => heard.assignments.length === 1)
    await ends[1 - first]?.()
    await joining
    expect(heard.chunks).toEqual([])
    await heard.until(() => heard.chunks.length === 2)
    await records.close()
  })
})

/** A group whose source has two records in each partition. */
async function held(kafka: KafkaService, partitions: number) {
  const records = new KafkaRecords(plainOptions(kafka))
  const [topic, outputs, group] = [freshName('topic'), freshName('outputs'), freshName('group')]
  await createTopics(kafka, records, [
    { name: topic, partitions },
    { name: outputs, partitions: 1 },
  ])
  const writer = records.writer()
  const all = Array.from({ length: partitions }, (_, partition) => record(topic, { partition }))
  await writer.write([...all, ...all])
  await writer.close()
  const join = () => {
    const heard = new Listener()
    const joining = records.join({ group, topics: [topic], from: 'earliest', handlers: heard })
    return { heard, joining }
  }
  /** Another one's commit of the first record of a partition. @returns what ends it */
  const committing = async (partition: number) => {
    const producer = await foreignProducer(kafka)
    const transaction = await producer.transaction()
    await transaction.send({ topic: outputs, messages: [{ value: 'v' }] })
    const offsets = [{ topic, partitions: [{ partition, offset: '1' }] }]
    await transaction.sendOffsets({ consumerGroupId: group, topics: offsets })
    return () => transaction.commit()
  }
  return { topic, records, join, committing }
}
