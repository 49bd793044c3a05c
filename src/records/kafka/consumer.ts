import {
  type Cluster,
  type Consumer,
  type ConsumerConfig,
  type Kafka,
  type Offsets,
  PartitionAssigners,
  type PartitionOffset,
} from 'kafkajs'
import type { NextOffset } from '../port.ts'

// The library's consumer as a member uses it.

const LIMITS = {
  sessionTimeout: 30_000,
  rebalanceTimeout: 60_000,
  // A rebalance is noticed by the next heartbeat only.
  heartbeatInterval: 1_000,
  // A fetch is answered when this much is there, or after this time. With 1 byte every event is a fetch of its own, and a fetch
  // costs more than an event: at 2,000 events/s this halves the CPU and the 99th percentile, for 8 ms of the median.
  // Leaving waits for the fetch in flight, and a resumed partition for the next one.
  minBytes: 16_384,
  maxWaitTimeInMs: 10,
  maxBytes: 4_194_304,
  maxBytesPerPartition: 1_048_576,
  allowAutoTopicCreation: false,
  retry: {
    // The library never sets its count of failed attempts back while the group is stable.
    retries: 1_000_000_000,
    initialRetryTime: 100,
    maxRetryTime: 2_000,
    // A consumer that failed for good is replaced as a whole by whoever runs the member.
    restartOnFailure: () => Promise.resolve(false),
  },
} satisfies Partial<ConsumerConfig>

/** A consumer of a group, not connected yet, and the cluster that it will speak to. */
export function consumerOf(
  kafka: Kafka,
  groupId: string,
): { consumer: Consumer; cluster: Cluster } {
  let cluster: Cluster | undefined
  const consumer = kafka.consumer({
    groupId,
    ...LIMITS,
    partitionAssigners: [
      // The one place where the library hands out a consumer's cluster; the assigner is its own default.
      (config) => {
        cluster = config.cluster
        return PartitionAssigners.roundRobin(config)
      },
    ],
  })
  return { consumer, cluster: cluster as unknown as Cluster }
}

/** What a commit sends: the library passes `metadata` on, which its type leaves out. */
export function offsetsRequest(nextOffsets: readonly NextOffset[]): Offsets {
  const byTopic = new Map<string, (PartitionOffset & { metadata: string })[]>()
  for (const { topic, partition, nextOffset, metadata } of nextOffsets) {
    const partitions = byTopic.get(topic) ?? []
    partitions.push({ partition, offset: String(nextOffset), metadata })
    byTopic.set(topic, partitions)
  }
  return { topics: [...byTopic].map(([topic, partitions]) => ({ topic, partitions })) }
}
