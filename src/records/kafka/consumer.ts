import type { ConsumerConfig, Offsets, PartitionOffset } from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import { position } from '../../kernel/ids.ts'
import type { NextOffset } from '../port.ts'
import type { Standing } from './admin.ts'

/** How the library's consumer is set up. */
export const CONSUMER_LIMITS = {
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

/**
 * Where reading begins: at the committed offset, else at the given end of the log.
 * @throws TidemarkError `OFFSET_OUT_OF_RANGE`: what was committed is not in the log
 */
export function startOf(
  standing: Standing,
  group: string,
  otherwise: 'start' | 'end',
): { nextOffset: number; metadata: string } {
  const { topic, partition, committed, lowOffset, endOffset } = standing
  if (committed === null) {
    return { nextOffset: otherwise === 'start' ? lowOffset : endOffset, metadata: '' }
  }
  const { nextOffset } = committed
  if (nextOffset < lowOffset || nextOffset > endOffset) {
    throw new TidemarkError(
      'OFFSET_OUT_OF_RANGE',
      `group ${group} committed offset ${nextOffset}, but the log holds ${lowOffset} to ${endOffset}`,
      {
        where: position(topic, partition, nextOffset),
        hint:
          nextOffset > endOffset
            ? "the topic was made anew or the offset was set by hand: use another group, or set the group's offset into the log"
            : "records expired before they were read: set the group's offset into the log (their results are lost)",
      },
    )
  }
  return committed
}
