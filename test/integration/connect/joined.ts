import { onTestFinished } from 'vitest'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { Listener, record } from '../../connect/listener.ts'
import { type KafkaService, plainOptions } from '../../services/kafka.ts'

/** Closed when the test is over. */
export function open(kafka: KafkaService): KafkaRecords {
  const records = new KafkaRecords(plainOptions(kafka))
  onTestFinished(() => records.close())
  return records
}

/** Writes one record to each of these partitions. */
export async function write(
  kafka: KafkaService,
  { topic, partitions }: { readonly topic: string; readonly partitions: readonly number[] },
  value: string,
) {
  const writer = open(kafka).writer()
  await writer.write(
    partitions.map((partition) => record(topic, { partition, value: Buffer.from(value) })),
  )
  await writer.close()
}

/** A member of a group, once its coordinator is found. */
export async function join(records: KafkaRecords, group: string, topic: string) {
  for (;;) {
    const heard = new Listener()
    try {
      const member = await records.join({
        group,
        topics: [topic],
        from: 'earliest',
        handlers: heard,
      })
      return { member, heard }
    } catch (error) {
      // The group's coordinator may be the node that was just killed; a worker joins again.
      if (!(error instanceof TidemarkError) || error.code !== 'BROKER_UNAVAILABLE') throw error
    }
  }
}
