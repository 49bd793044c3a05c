import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { freshName, freshTopics, kafkaTest, plainOptions } from '../services/kafka.ts'
import { tidemark } from '../support/command-line.ts'

const TOPOLOGY = 'topologies/card-minutes.ts'

kafkaTest('check --connect tells what a worker would find, and joins nothing', async (kafka) => {
  const records = new KafkaRecords(plainOptions(kafka))
  const names = ['payments', 'card-minutes', 'payments.dlq'] as const
  const { topics, flags } = await freshTopics(records, names, 3)
  await records.close()
  const group = freshName('group')
  const args = ['check', TOPOLOGY, '--connect', '--brokers', kafka.brokers.join(), '--group', group]
  const { code, stdout, stderr } = await tidemark([...args, ...flags])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout).toContain(`✓ brokers ${kafka.brokers.join()}`)
  expect(stdout).toContain(
    `✓ topic ${topics.payments}  3 partitions, batches up to 1,048,588 bytes`,
  )
  expect(stdout).toContain(`✓ group ${group}  has no committed offsets yet`)

  const missing = await tidemark(args)
  expect(missing.code).toBe(4)
  expect(missing.stderr).toContain('TOPIC_MISSING')
})
