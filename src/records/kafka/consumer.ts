import {
  type Cluster,
  type Consumer,
  type ConsumerConfig,
  type Kafka,
  PartitionAssigners,
} from 'kafkajs'
import type { Claims } from './claims.ts'
import { stickyAssigner } from './sticky-assigner.ts'

// The library's consumer as a member uses it.

const LIMITS = {
  // A fetch is answered when this much is there, or after this time. With 1 byte every event is a fetch of its own, and a fetch
  // costs more than an event: at 2,000 events/s this halves the CPU and the 99th percentile, for 8 ms of the median.
  // Leaving waits for the fetch in flight, and a resumed partition and a heartbeat for the next one.
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

/** A rebalance is noticed by the next heartbeat only, and everybody stands still until the last member has noticed. */
const HEARTBEAT_MS = 500

export interface ConsumerOptions {
  readonly group: string
  readonly sessionTimeoutMs: number
  /** What the member has when it joins again. */
  readonly claims: () => Claims
}

/** A consumer of a group, not connected yet, and the cluster that it will speak to. */
export function consumerOf(
  kafka: Kafka,
  { group, sessionTimeoutMs, claims }: ConsumerOptions,
): { consumer: Consumer; cluster: Cluster } {
  let cluster: Cluster | undefined
  const consumer = kafka.consumer({
    groupId: group,
    ...LIMITS,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: Math.min(HEARTBEAT_MS, Math.floor(sessionTimeoutMs / 3)),
    // How long a group waits for a living member that does not join again, such as one whose fetch hangs.
    rebalanceTimeout: 3 * sessionTimeoutMs,
    partitionAssigners: [
      stickyAssigner(claims),
      // Taken while a member is in the group that does not know the other: one that was started before an upgrade.
      (config) => {
        // The one place where the library hands out a consumer's cluster.
        cluster = config.cluster
        return PartitionAssigners.roundRobin(config)
      },
    ],
  })
  return { consumer, cluster: cluster as unknown as Cluster }
}
