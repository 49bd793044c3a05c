import { deflateRawSync, inflateRawSync } from 'node:zlib'
import kafkajs, { type GroupMember, type PartitionAssigner } from 'kafkajs'
import { orFault } from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { NO_OWNERS } from '../../group-member.ts'
import type { Owners, TopicPartition } from '../../port.ts'
import { assignSticky, type Claimant } from '../../sticky-assignment.ts'
import type { Brokers } from '../client/brokers.ts'

// Node does not detect this name in the CommonJS module, only in its default export.
const { MemberAssignment, MemberMetadata: Subscription } = kafkajs.AssignerProtocol

/** Version of the consumer protocol's own fields, not of the metadata in its user data. */
const PROTOCOL_VERSION = 0

export function stickyAssigner(read: () => MemberMetadata, brokers: Brokers): PartitionAssigner {
  return () => ({
    name: 'tidemark-sticky',
    version: PROTOCOL_VERSION,

    protocol: ({ topics }) => ({
      name: 'tidemark-sticky',
      metadata: Subscription.encode({
        version: PROTOCOL_VERSION,
        topics,
        userData: encodeMemberMetadata(read()),
      }),
    }),

    assign: async ({ members }) => {
      const claimants = members.map(claimantOf)
      const shares = assignSticky(claimants, await partitionCounts(claimants, brokers))
      const ids = claimants.flatMap((c) => c.transactionalId ?? [])
      const owners = claimants.map(({ id, address }) => ({ address, owned: shares.get(id) ?? [] }))
      const used = members.reduce((sum, { memberMetadata }) => sum + memberMetadata.length, 0)
      const room = Math.floor((MOST_GROUP_BYTES - used) / members.length)
      const userData = encodeShared(ids, owners, room)
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
  const subscription = Subscription.decode(memberMetadata)
  return {
    id: memberId,
    topics: subscription?.topics ?? [],
    ...decodeMemberMetadata(subscription?.userData ?? null),
  }
}

/** Members read different topics during a rolling change of topologies. */
async function partitionCounts(claimants: readonly Claimant[], brokers: Brokers) {
  const counts = new Map<string, number>()
  for (const topic of new Set(claimants.flatMap((c) => c.topics))) {
    try {
      await brokers.learn([topic])
      counts.set(topic, brokers.map.partitionsOf(topic).length)
    } catch (error) {
      // Members that read a topic that is gone, or that they may not read, get that error
      // elsewhere; the others must not wait for it.
      const { code } = orFault(error)
      if (code !== 'TOPIC_MISSING' && code !== 'AUTHORIZATION') throw error
    }
  }
  return counts
}

// The metadata of a member that joins, for the group leader: which partitions it owns, under which
// generation, under which transactional id it commits, and where others reach it. It travels in the
// user data of the subscription: a format byte, the generation (int32), the transactional id,
// then for each topic its name and a bitmap, in which the lowest bit of the first byte is partition
// 0. Strings and bitmaps are preceded by their length (uint16). The address comes last, with an
// empty name: leaders of versions without it take it for a topic that nobody reads.

export interface MemberMetadata extends Pick<Claimant, 'generation' | 'owned'> {
  /** `null`: it commits without transactions. */
  readonly transactionalId: string | null
  /** `null`: it advertises none. */
  readonly address: string | null
}

const NOTHING: MemberMetadata = { generation: -1, owned: [], transactionalId: null, address: null }
const FORMAT = 2
const EMPTY = withLength(Buffer.alloc(0))

export function encodeMemberMetadata(metadata: MemberMetadata): Buffer {
  const { generation, owned, transactionalId, address } = metadata
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
  if (address !== null) parts.push(EMPTY, withLength(Buffer.from(address)))
  return Buffer.concat(parts)
}

/** A member without metadata, or with another format, owns nothing. */
export function decodeMemberMetadata(data: Buffer | null): MemberMetadata {
  if (data === null || data.length < 5 || data[0] !== FORMAT) return NOTHING
  try {
    const [id, ...topics] = partsOf(data, 5)
    if (id === undefined || topics.length % 2 === 1) return NOTHING
    const owned: TopicPartition[] = []
    let address: string | null = null
    for (let i = 0; i < topics.length; i += 2) {
      const topic = String(topics[i])
      const bytes = topics[i + 1] as Buffer
      if (topic === '') address = String(bytes)
      else for (const partition of partitionsIn(bytes)) owned.push({ topic, partition })
    }
    return {
      generation: data.readInt32BE(1),
      owned,
      transactionalId: id.length === 0 ? null : id.toString(),
      address,
    }
  } catch {
    return NOTHING
  }
}

// Data for every member with its assignment, from the leader: a format byte, the transactional ids
// in the group, an empty id, and the owners of all partitions. Members of versions without owners
// take them for one more id.

export interface Shared {
  /**
   * Transactional ids in the group. A dead one's is not among them (C9). `null`: the leader does
   * not use this driver, and sends none.
   */
  readonly liveIds: ReadonlySet<string> | null
  readonly owners: Owners
}

export type Owner = Pick<MemberMetadata, 'address' | 'owned'>

/**
 * The most bytes of all members' metadata and shared data. A broker keeps a group in one record,
 * of at most 1 MiB by default (`message.max.bytes`), with ids, hosts and partitions of its members.
 */
const MOST_GROUP_BYTES = 896 * 2 ** 10
const MOST_PART_BYTES = 2 ** 16 - 1
const MOST_UNPACKED_OWNERS_BYTES = 2 ** 24

/**
 * Encodes the data for every member; without owners if no one has an address, or if they do not
 * fit. Owners take about 1.3 bytes for each partition, and the part that differs in each address,
 * and that in each member's copy: with 100 members and 1,000 partitions 1.6 kB, 160 kB in all.
 * @param room bytes that each member may get
 */
export function encodeShared(ids: readonly string[], owners: readonly Owner[], room: number) {
  const parts = ids.map((id) => withLength(Buffer.from(id)))
  const plain = Buffer.concat([Buffer.from([FORMAT]), ...parts])
  if (owners.every(({ address }) => address === null)) return plain
  const packed = packOwners(owners)
  if (packed.length > MOST_PART_BYTES) return plain
  const whole = Buffer.concat([plain, EMPTY, withLength(packed)])
  return whole.length <= room ? whole : plain
}

export function decodeShared(data: Buffer | null): Shared {
  const nothing = { liveIds: null, owners: NO_OWNERS }
  if (data === null || data[0] !== FORMAT) return nothing
  try {
    const parts = partsOf(data, 1)
    const at = parts.findIndex(({ length }) => length === 0)
    const ids = at < 0 ? parts : parts.slice(0, at)
    return { liveIds: new Set(ids.map(String)), owners: unpackOwners(parts[ids.length + 1]) }
  } catch {
    return nothing
  }
}

type PackedOwners = [addresses: unknown[], topics: [name: string, owners: number[]][]]

/** Packs each address once, and by topic the number of each partition's owner among them. */
function packOwners(owners: readonly Owner[]): Buffer {
  const topics = new Map<string, number[]>()
  for (const [owner, { owned }] of owners.entries()) {
    for (const { topic, partition } of owned) {
      const ownersOf = topics.get(topic) ?? []
      ownersOf[partition] = owner
      topics.set(topic, ownersOf)
    }
  }
  const packed: PackedOwners = [owners.map(({ address }) => address), [...topics]]
  return deflateRawSync(JSON.stringify(packed))
}

function unpackOwners(packed: Buffer | undefined): Owners {
  if (packed === undefined) return NO_OWNERS
  try {
    const text = inflateRawSync(packed, { maxOutputLength: MOST_UNPACKED_OWNERS_BYTES })
    const [addresses, topics] = JSON.parse(text.toString()) as PackedOwners
    const owners = new Map<string, string | null>()
    for (const [topic, ownersOf] of topics) {
      for (const [partition, owner] of ownersOf.entries()) {
        const address = addresses[owner]
        const name = partitionName({ topic, partition })
        owners.set(name, typeof address === 'string' ? address : null)
      }
    }
    return owners
  } catch {
    // Another version's, which tells nothing to this one.
    return NO_OWNERS
  }
}

function* partitionsIn(bitmap: Buffer): Generator<number> {
  for (const [byte, bits] of bitmap.entries()) {
    for (let bit = 0; bit < 8; bit++) if ((bits & (1 << bit)) !== 0) yield byte * 8 + bit
  }
}

/** @throws RangeError when the data is cut off */
function partsOf(data: Buffer, from: number): Buffer[] {
  const parts: Buffer[] = []
  for (let at = from; at < data.length; ) {
    const end = at + 2 + data.readUInt16BE(at)
    if (end > data.length) throw new RangeError('cut off')
    parts.push(data.subarray(at + 2, end))
    at = end
  }
  return parts
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
