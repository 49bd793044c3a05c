import kafkajs, { type GroupMember, type PartitionAssigner } from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import { assignSticky, type Claimant } from '../sticky-assignment.ts'
import type { Brokers } from './brokers.ts'
import { type Claims, decodeClaims, encodeClaims, encodeLiveIds } from './claims.ts'

// Through the default export: Node does not see this one among the names of a CommonJS module.
const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

/** Of the consumer protocol's own fields, not of the claims in its user data. */
const PROTOCOL_VERSION = 0

/**
 * Assigns the partitions as {@link assignSticky} does. Only the group's leader is asked to.
 *
 * @param claims what this member has
 * @param brokers tell how many partitions there are
 */
export function stickyAssigner(claims: () => Claims, brokers: Brokers): PartitionAssigner {
  return () => ({
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
      const assignment = assignSticky(claimants, await partitionCounts(claimants, brokers))
      return [...assignment].map(([memberId, partitions]) => {
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

/**
 * Of every topic that some member reads: while topologies are exchanged they do not all read the
 * same.
 */
async function partitionCounts(
  claimants: readonly Claimant[],
  brokers: Brokers,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const topic of new Set(claimants.flatMap((c) => c.topics))) {
    try {
      await brokers.learn([topic])
      counts.set(topic, brokers.partitionsOf(topic).length)
    } catch (error) {
      // Whoever reads a topic that is gone, or may not be read, is told so elsewhere; the others
      // must not wait for it.
      const isPassedOver =
        error instanceof TidemarkError &&
        (error.code === 'TOPIC_MISSING' || error.code === 'AUTHORIZATION')
      if (!isPassedOver) throw error
    }
  }
  return counts
}
