import { type Admin, Kafka, logLevel } from 'kafkajs'
import { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { clientConfig } from '../../src/connect/kafka/client/options.ts'
import { GroupOffsets } from '../../src/connect/kafka/group/group-offsets.ts'
import { type KafkaService, plainOptions } from './kafka.ts'

// Changes that an operator makes with Kafka's own tools.

/** An offset of a group that has no members. */
interface SetOffset {
  readonly group: string
  readonly topic: string
  readonly nextOffset: number
  /** Tools leave it empty. */
  readonly metadata: string
}

/** `kafka-consumer-groups --reset-offsets` of partition 0, or another consumer's commit. */
export async function setOffset(
  kafka: KafkaService,
  { group, topic, nextOffset: offset, metadata }: SetOffset,
): Promise<void> {
  const config = { ...clientConfig(plainOptions(kafka)), logLevel: logLevel.NOTHING }
  const brokers = new Brokers(config)
  try {
    await brokers.connect()
    const nobody = { generationId: -1, memberId: '' }
    const offsets = new GroupOffsets(brokers, group)
    await offsets.commit(nobody, [{ topic, partition: 0, offset, metadata }])
  } finally {
    brokers.close()
  }
}

/** `kafka-delete-records` of partition 0. */
export function deleteBefore(kafka: KafkaService, topic: string, offset: number): Promise<void> {
  const partitions = [{ partition: 0, offset: String(offset) }]
  return asAdmin(kafka, async (admin) => {
    // The library asks for the leaders here, and not there.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions })
  })
}

/** `kafka-topics --alter --partitions`. */
export async function addPartitions(
  kafka: KafkaService,
  topic: string,
  count: number,
): Promise<void> {
  await asAdmin(kafka, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count }] }))
}

async function asAdmin<T>(kafka: KafkaService, work: (admin: Admin) => Promise<T>): Promise<T> {
  const client = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}
