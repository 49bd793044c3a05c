import kafkajs, { type Cluster, type GroupMember, type PartitionAssigner } from 'kafkajs'
import { assignSticky, type Claimant } from '../sticky-assignment.ts'
import { type Claims, decodeClaims, encodeClaims, encodeLiveIds } from './claims.ts'
import { fromKafka } from './errors.ts'

// Through the default export: Node does not see this one among the names of a CommonJS module.
const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

/** Of the consumer protocol's own fields, not of the claims in its user data. */
const PROTOCOL_VERSION = 0

/**
 * Deals the partitions out as {@link assignSticky} does. Only the group's leader is asked to.
 *
 * @param claims what this member has
 */
export function stickyAssigner(claims: () => Claims): PartitionAssigner {
  return ({ cluster }) => ({
    name: 'tidemark-sticky',
    version: PROTOCOL_VERSION,

    protocol: ({ topics }) => ({
      name: 'tidemark-sticky',
      metadata: MemberMetadata.encode({
        version: PROTOCOL_VERSION,
        topics,
        userData: encodeClaims(claims()),
      }),
    }),

    assign: async ({ members }) => {
      const claimants = members.map(claimantOf)
      const userData = encodeLiveIds(claimants.flatMap((c) => c.transactionalId ?? []))
      const deal = assignSticky(claimants, await partitionCounts(claimants, cluster))
      return [...deal].map(([memberId, partitions]) => {
        const assignment: Record<string, number[]> = {}
        for (const { topic, partition } of partitions) (assignment[topic] ??= []).push(partition)
        const version = PROTOCOL_VERSION
        return {
          memberId,
          memberAssignment: MemberAssignment.encode({ version, assignment, userData }),
        }
      })
    },
  })
}

interface Member extends Claimant {
  readonly transactionalId: string | null
}

function claimantOf({ memberId, memberMetadata }: GroupMember): Member {
  const metadata = MemberMetadata.decode(memberMetadata)
  return {
    id: memberId,
    topics: metadata?.topics ?? [],
    ...decodeClaims(metadata?.userData ?? null),
  }
}

/** Of every topic that some member reads: while topologies are exchanged they do not all read the same. */
async function partitionCounts(
  claimants: readonly Claimant[],
  cluster: Cluster,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const topic of new Set(claimants.flatMap((c) => c.topics))) {
    try {
      await cluster.addTargetTopic(topic)
      counts.set(topic, cluster.findTopicPartitionMetadata(topic).length)
    } catch (error) {
      // Whoever reads a topic that is gone is told so elsewhere; the others must not wait for it.
      if (fromKafka(error, 'BROKER_UNAVAILABLE').code !== 'TOPIC_MISSING') throw error
    }
  }
  return counts
}
