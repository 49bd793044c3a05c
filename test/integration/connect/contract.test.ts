import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { recordsContract } from '../../connect/contract.ts'
import type { Driver } from '../../connect/driver.ts'
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
