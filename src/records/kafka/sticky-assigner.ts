import kafkajs, { type GroupMember, type PartitionAssigner } from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import type { TopicPartition } from '../port.ts'
import { assignSticky, type Claimant } from '../sticky-assignment.ts'
import type { Brokers } from './brokers.ts'

// Node does not detect this name in the CommonJS module, only in its default export.
const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

/** Version of the consumer protocol's own fields, not of the claims in its user data. */
const PROTOCOL_VERSION = 0

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

function claimantOf({ memberId, memberMetadata }: GroupMember) {
  const metadata = MemberMetadata.decode(memberMetadata)
  return {
    id: memberId,
    topics: metadata?.topics ?? [],
    ...decodeClaims(metadata?.userData ?? null),
  }
}

/** Members read different topics during a rolling change of topologies. */
async function partitionCounts(
  claimants: readonly Claimant[],
  brokers: Brokers,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const topic of new Set(claimants.flatMap((c) => c.topics))) {
    try {
      await brokers.learn([topic])
      counts.set(topic, brokers.map.partitionsOf(topic).length)
    } catch (error) {
      // Members that read a topic that is gone, or that they may not read, get that error
      // elsewhere; the others must not wait for it.
      const isPassedOver =
        error instanceof TidemarkError &&
        (error.code === 'TOPIC_MISSING' || error.code === 'AUTHORIZATION')
      if (!isPassedOver) throw error
    }
  }
  return counts
}

// The claims of a member when it joins, for the group leader: which partitions it owns, under which
// generation, and under which transactional id it commits. They travel in the user data of the
// subscription: a format byte, the generation (int32), the transactional id, then for each topic
// its name and a bitmap, in which the lowest bit of the first byte is partition 0. Strings and
// bitmaps are preceded by their length (uint16).

export interface Claims extends Pick<Claimant, 'generation' | 'owned'> {
  /** `null`: it commits without transactions. */
  readonly transactionalId: string | null
}

const NOTHING: Claims = { generation: -1, owned: [], transactionalId: null }
const FORMAT = 2

export function encodeClaims({ generation, owned, transactionalId }: Claims): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(FORMAT)
  head.writeInt32BE(generation, 1)
  const parts: Buffer[] = [head, withLength(Buffer.from(transactionalId ?? ''))]
  for (const topic of new Set(owned.map((p) => p.topic))) {
    const partitions = owned.filter((p) => p.topic === topic).map((p) => p.partition)
    const bits = Buffer.alloc(Math.floor(Math.max(...partitions) / 8) + 1)
    for (const p of partitions) bits[p >> 3] = (bits[p >> 3] ?? 0) | (1 << (p & 7))
    parts.push(withLength(Buffer.from(topic)), withLength(bits))
  }
  return Buffer.concat(parts)
}

/** A member without claims, or with another format, owns nothing. */
export function decodeClaims(data: Buffer | null): Claims {
  if (data === null || data.length < 5 || data[0] !== FORMAT) return NOTHING
  try {
    const [id, ...topics] = partsOf(data, 5)
    if (id === undefined || topics.length % 2 === 1) return NOTHING
    const owned: TopicPartition[] = []
    for (let i = 0; i < topics.length; i += 2) {
      const topic = String(topics[i])
      for (const partition of partitionsIn(topics[i + 1] as Buffer))
        owned.push({ topic, partition })
    }
    return {
      generation: data.readInt32BE(1),
      owned,
      transactionalId: id.length === 0 ? null : id.toString(),
    }
  } catch {
    return NOTHING
  }
}

/**
 * Encodes the transactional ids in the group, for every member. A dead one's is not among them
 * (C9).
 */
export function encodeLiveIds(ids: readonly string[]): Buffer {
  return Buffer.concat([Buffer.from([FORMAT]), ...ids.map((id) => withLength(Buffer.from(id)))])
}

/** `null`: the leader does not use this driver, and sends none. */
export function decodeLiveIds(data: Buffer | null): ReadonlySet<string> | null {
  if (data === null || data[0] !== FORMAT) return null
  try {
    return new Set(partsOf(data, 1).map(String))
  } catch {
    return null
  }
}

function* partitionsIn(bitmap: Buffer): Generator<number> {
  for (const [byte, bits] of bitmap.entries()) {
    for (let bit = 0; bit < 8; bit++) if ((bits & (1 << bit)) !== 0) yield byte * 8 + bit
  }
}

/** @throws RangeError when the data is cut off */
function partsOf(data: Buffer, from: number): Buffer[] {
  const found: Buffer[] = []
  for (let at = from; at < data.length; ) {
    const end = at + 2 + data.readUInt16BE(at)
    if (end > data.length) throw new RangeError('cut off')
    found.push(data.subarray(at + 2, end))
    at = end
  }
  return found
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
