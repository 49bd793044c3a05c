import { describe, expect } from 'vitest'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { API } from '../services/faulty-wire.ts'
import { foreignProducer } from '../services/foreign.ts'
import { freshName, kafkaTest, plainOptions } from '../services/kafka.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { createTopics } from '../services/topics.ts'
import { Listener, record } from './listener.ts'
import { transacting } from './transacting.ts'

// Partitions that were dealt out, and of which it cannot be told yet where they begin.

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
    const records = new KafkaRecords(plainOptions(kafka))
    const [topic, outputs, group] = [freshName('topic'), freshName('outputs'), freshName('group')]
    await createTopics(kafka, records, [
      { name: topic, partitions: 1 },
      { name: outputs, partitions: 1 },
    ])
    const writer = records.writer()
    await writer.send([record(topic)])
    await writer.close()
    const producer = await foreignProducer(kafka)
    const transaction = await producer.transaction()
    await transaction.send({ topic: outputs, messages: [{ value: 'v' }] })
    await transaction.sendOffsets({
      consumerGroupId: group,
      topics: [{ topic, partitions: [{ partition: 0, offset: '1' }] }],
    })
    const heard = new Listener()
    const joining = records.join({ group, topics: [topic], from: 'earliest', handlers: heard })
    await heard.until(() => heard.unreadables.length > 0)
    const reason = 'a transaction of another owner has not been ended yet'
    expect(heard.unreadables).toEqual([[{ topic, partition: 0, reason }]])
    await transaction.commit()
    await joining
    expect(heard.unreadables.at(-1)).toEqual([])
    expect(heard.assignment()).toMatchObject({ nextOffset: 1 })
    await records.close()
  })
})
