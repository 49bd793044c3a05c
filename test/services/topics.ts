import type { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewTopic } from '../../src/connect/port.ts'
import { metadataOf, until } from './cluster.ts'
import type { KafkaService } from './kafka.ts'

/**
 * Makes topics with a replica on each node. When it is done, every node knows of them and of their
 * leaders.
 */
export async function createTopics(
  kafka: Pick<KafkaService, 'brokers'>,
  records: KafkaRecords,
  specs: readonly NewTopic[],
): Promise<void> {
  const replicas = kafka.brokers.length
  await records.create(specs.map((spec) => ({ replicas, ...spec })))
  const areKnown = async () => {
    const known = await Promise.all(kafka.brokers.map(metadataOf))
    return known.every(({ partitions }) =>
      specs.every(({ name, partitions: count }) => {
        const led = partitions.filter(({ topic, leader }) => topic === name && leader >= 0)
        return led.length === count
      }),
    )
  }
  await until('known everywhere', areKnown)
}
