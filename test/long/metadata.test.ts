import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { withTopics } from '../../src/topology/graph.ts'
import { end, sums } from '../runtime/memory-workers.ts'
import { freshName, plainOptions } from '../services/kafka.ts'
import { freshKafkaTests } from '../services/own-kafka.ts'
import { createTopics } from '../services/topics.ts'

// Brokers that take less beside an offset than they do by themselves.

freshKafkaTests(
  (kafkaTest) => {
    for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
      kafkaTest(
        `${guarantee} a worker whose note does not fit ends, and says what to do`,
        async (kafka) => {
          const records = new KafkaRecords(plainOptions(kafka.service))
          const events = freshName('events')
          const topics = new Map(['events', 'sums', 'events.dlq'].map((t) => [t, `${events}-${t}`]))
          const specs = [...topics.values()].map((name) => ({ name, partitions: 1 }))
          await createTopics(kafka.service, records, specs)
          const definition = withTopics(sums('sums'), topics)
          expect(
            await end(records, [definition], { group: freshName('group'), guarantee }),
          ).toMatchObject({
            code: 'CONFIG_INVALID',
            message: 'the brokers accept less metadata with an offset than this group has to store',
            hint: expect.stringContaining('offset.metadata.max.bytes') as unknown,
          })
          await records.close()
        },
      )
    }
  },
  { settings: { 'offset.metadata.max.bytes': '60' } },
)
