import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { recordsContract } from '../../connect/contract.ts'
import type { Driver } from '../../connect/driver.ts'
import { record } from '../../connect/listener.ts'
import { sinkContract } from '../../connect/sink-contract.ts'
import {
  freshName,
  type KafkaService,
  kafkaTest,
  plainOptions,
  readTopic,
} from '../../services/kafka.ts'
import { addPartitions, deleteBefore, setOffset } from '../../services/operator.ts'
import { createTopics } from '../../services/topics.ts'

function open(kafka: KafkaService): Driver {
  const records = new KafkaRecords(plainOptions(kafka))
  const writer = records.writer()
  return {
    records,
    createTopic: async (partitions, options = {}) => {
      const name = freshName('topic')
      const { maxMessageBytes, isCompacted = false } = options
      const config = {
        ...(maxMessageBytes === undefined ? {} : { 'max.message.bytes': `${maxMessageBytes}` }),
        ...(isCompacted ? { 'cleanup.policy': 'compact,delete' } : {}),
      }
      await createTopics(kafka, records, [{ name, partitions, config }])
      return name
    },
    freshGroup: () => freshName('group'),
    produce: (list) => writer.write(list),
    read: (topic) => readTopic(records, topic),
    setOffset: (offset) => setOffset(kafka, offset),
    deleteBefore: (topic, offset) => deleteBefore(kafka, topic, offset),
    addPartitions: (topic, count) => addPartitions(kafka, topic, count),
    close: async () => {
      await writer.close()
      await records.close()
    },
  }
}

recordsContract((name, fn) => {
  kafkaTest(name, async (kafka) => {
    const driver = open(kafka)
    try {
      await fn(driver)
    } finally {
      await driver.close()
    }
  })
})

sinkContract((name, run) => {
  kafkaTest(name, async (kafka) => {
    const driver = open(kafka)
    const sink = driver.records.writer()
    const [topic, nowhere] = [await driver.createTopic(2), freshName('nowhere')]
    const pair = (to: string, key: string, value: string) =>
      record(to, { key: Buffer.from(key), value: Buffer.from(value) })
    try {
      await run({
        sink,
        record: (key, value) => pair(topic, key, value),
        values: async (key) => {
          const all = (await driver.read(topic)).filter((each) => String(each.key) === key)
          return all.map(({ value }) => String(value))
        },
        refused: { record: pair(nowhere, 'a', '1'), code: 'TOPIC_MISSING' },
        close: async () => {},
      })
    } finally {
      await sink.close()
      await driver.close()
    }
  })
})
