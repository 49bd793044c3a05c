import { expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { record } from '../connect/listener.ts'
import { freshName, kafkaTest, plainOptions } from '../services/kafka.ts'
import { addPartitions } from '../services/operator.ts'

kafkaTest(
  'partitions that are added to a topic that is followed are read from their start',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    onTestFinished(() => records.close())
    const topic = freshName('topic')
    await records.create([{ name: topic, partitions: 1 }])
    const followed = await records.follow({ topic, from: new Map(), unreadable: () => {} })
    await addPartitions(kafka, topic, 3)
    const writer = records.writer()
    for (const partition of [0, 1, 2]) await writer.write([record(topic, { partition })])
    const left = new Set([0, 1, 2])
    for await (const { partition, records: of } of followed) {
      if (of.length > 0) left.delete(partition)
      if (left.size === 0) break
    }
    expect(left).toEqual(new Set())
  },
)
