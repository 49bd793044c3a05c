import kafkajs, { type GroupMember, type PartitionAssigner } from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import { assignSticky, type Claimant } from '../sticky-assignment.ts'
import type { Brokers } from './brokers.ts'
import { type Claims, decodeClaims, encodeClaims, encodeLiveIds } from './claims.ts'

// Through the default export: Node does not detect this name in the CommonJS module.
const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

/** Version of the consumer protocol's own fields, not of the claims in its user data. */
const PROTOCOL_VERSION = 0

/**
 * Assigns partitions with {@link assignSticky}. Only the group's leader is asked to.
 *
 * @param claims returns what this member owns
 * @param brokers where the numbers of partitions come from
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
      const shares = assignSticky(claimants, await partitionCounts(claimants, brokers))
      return [...shares].map(([memberId, partitions]) => {
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
 * The number of partitions of every topic that any member reads: during a rolling change of
 * topologies, members read different topics.
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
      // Members that read a topic that is gone, or that they may not read, get that error
      // elsewhere; the other members must not wait for it.
      const isPassedOver =
        error instanceof TidemarkError &&
        (error.code === 'TOPIC_MISSING' || error.code === 'AUTHORIZATION')
      if (!isPassedOver) throw error
    }
  }
  return counts
}
