import { createHash } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import kafkajs from 'kafkajs'
import { describe, expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import {
  decodeMemberMetadata,
  decodeShared,
  encodeMemberMetadata,
  encodeShared,
  type MemberMetadata,
  type Owner,
  stickyAssigner,
} from '../../src/connect/kafka/group/sticky-assigner.ts'
import type { TopicPartition } from '../../src/connect/port.ts'
import { partitionName } from '../../src/kernel/ids.ts'

const { MemberAssignment, MemberMetadata: Subscription } = kafkajs.AssignerProtocol

const NOTHING = { generation: -1, owned: [], transactionalId: null, address: null }

const anyClaims = fc.record({
  generation: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  owned: fc.uniqueArray(
    fc.record({
      topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
      partition: fc.nat(2_000),
    }),
    { selector: partitionName },
  ),
  transactionalId: fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })),
  address: fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })),
})

/** What versions without addresses have sent, byte by byte. */
const OLD_CLAIMS = '02000000070004672d773100087061796d656e74730002010200026678000104'
const OLD_IDS = '020004672d77310004672dc3bc'
const CLAIMED = {
  generation: 7,
  owned: [
    { topic: 'payments', partition: 0 },
    { topic: 'payments', partition: 9 },
    { topic: 'fx', partition: 2 },
  ],
  transactionalId: 'g-w1',
}

describe('claims', () => {
  test('come out as they went in', () => {
    fc.assert(
      fc.property(anyClaims, (claims) => {
        const { owned, ...decoded } = decodeMemberMetadata(encodeMemberMetadata(claims))
        const { owned: claimed, ...rest } = claims
        expect(decoded).toEqual(rest)
        expect(new Set(owned.map(partitionName))).toEqual(new Set(claimed.map(partitionName)))
      }),
    )
  })

  test('a thousand partitions take little more than a bit each', () => {
    const owned = Array.from({ length: 1_000 }, (_, partition) => ({
      topic: 'payments',
      partition,
    }))
    const claims = { generation: 1, owned, transactionalId: 'id', address: null }
    expect(encodeMemberMetadata(claims)).toHaveLength(5 + 2 + 2 + 2 + 8 + 2 + 125)
  })

  test('are read from versions without addresses, and are the same without one', () => {
    const old = Buffer.from(OLD_CLAIMS, 'hex')
    expect(decodeMemberMetadata(old)).toEqual({ ...CLAIMED, address: null })
    expect(encodeMemberMetadata({ ...CLAIMED, address: null })).toEqual(old)
  })

  test('have their address at the end, as a topic without a name, which no one reads', () => {
    const added = Buffer.from('\0\0\0\x03a:1')
    const whole = Buffer.concat([Buffer.from(OLD_CLAIMS, 'hex'), added])
    expect(encodeMemberMetadata({ ...CLAIMED, address: 'a:1' })).toEqual(whole)
  })

  test.each([
    ['nothing at all', null],
    ['no bytes', Buffer.alloc(0)],
    ['another format', Buffer.from([1, 0, 0, 0, 1, 0, 0])],
  ])('%s claims nothing', (_, data) => {
    expect(decodeMemberMetadata(data)).toEqual(NOTHING)
  })

  test('bytes that were cut off claim nothing, and any bytes are taken without an error', () => {
    const owned = [{ topic: 'payments', partition: 9 }]
    const whole = encodeMemberMetadata({
      generation: 1,
      owned,
      transactionalId: null,
      address: null,
    })
    const bare = encodeMemberMetadata({
      generation: 1,
      owned: [],
      transactionalId: null,
      address: null,
    })
    for (let length = 0; length < whole.length; length++) {
      if (length === bare.length) continue
      expect(decodeMemberMetadata(whole.subarray(0, length))).toEqual(NOTHING)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        decodeMemberMetadata(Buffer.from([2, ...bytes]))
        decodeShared(Buffer.from([2, ...bytes]))
        decodeShared(Buffer.from([2, 0, 0, 0, bytes.length, ...bytes]))
      }),
    )
  })
})

/** Members that share the partitions of some topics, and what each partition's owner advertises. */
const anyOwners = fc
  .record({
    addresses: fc.array(fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })), {
      minLength: 1,
      maxLength: 8,
    }),
    topics: fc.uniqueArray(
      fc.tuple(
        fc.oneof(fc.constant('__proto__'), fc.string({ unit: 'grapheme', maxLength: 20 })),
        fc.array(fc.nat(), { minLength: 1, maxLength: 40 }),
      ),
      { maxLength: 4, selector: ([topic]) => topic },
    ),
  })
  .map(({ addresses, topics }) => {
    const owners = addresses.map((address) => ({ address, owned: [] as TopicPartition[] }))
    const told = new Map<string, string | null>()
    for (const [topic, picks] of topics) {
      for (const [partition, pick] of picks.entries()) {
        const { address, owned } = owners[pick % owners.length] as (typeof owners)[number]
        owned.push({ topic, partition })
        told.set(partitionName({ topic, partition }), address)
      }
    }
    const isSilent = addresses.every((address) => address === null)
    return { owners, told: isSilent ? new Map() : told }
  })

/** Bytes that cannot be packed, the same each time. */
const noise = (bytes: number) => createHash('shake256', { outputLength: bytes }).digest()

/** Members that share one topic without any order, as after many rebalances. */
function sharing({ members, partitions }: { members: number; partitions: number }) {
  const owners = Array.from({ length: members }, (_, i) => ({
    address: `tidemark-${i}.scoring.fraud.svc.cluster.local:8080`,
    owned: [] as TopicPartition[],
  }))
  const random = noise(2 * partitions)
  for (let partition = 0; partition < partitions; partition++) {
    const at = random.readUInt16BE(2 * partition) % members
    owners[at]?.owned.push({ topic: 'payments', partition })
  }
  return owners
}

const idsOf = (owners: readonly Owner[]) =>
  owners.map((_, i) => `fraud-${String(i).padStart(36, '0')}`)

const ROOM = 2 ** 20

/** What a leader sends to members with such claims, which read 1,000 partitions. */
async function sentBy(claims: readonly MemberMetadata[]): Promise<(Buffer | null)[]> {
  const partitions = Array.from({ length: 1_000 }, (_, partition) => partition)
  const brokers = { learn: async () => {}, map: { partitionsOf: () => partitions } }
  const assigner = stickyAssigner(() => NOTHING, brokers as unknown as Brokers)({} as never)
  const members = claims.map((claim, i) => ({
    memberId: `m-${i}`,
    memberMetadata: Subscription.encode({
      ...{ version: 0, topics: ['payments'], userData: encodeMemberMetadata(claim) },
    }),
  }))
  const assigned = await assigner.assign({ members, topics: ['payments'] })
  return assigned.map(
    ({ memberAssignment }) => MemberAssignment.decode(memberAssignment)?.userData ?? null,
  )
}

describe('what a group is told', () => {
  test('comes out as it went in', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1 })),
        anyOwners,
        (ids, of) => {
          const { liveIds, owners } = decodeShared(encodeShared(ids, of.owners, ROOM))
          expect(liveIds).toEqual(new Set(ids))
          expect(owners).toEqual(of.told)
        },
      ),
    )
  })

  test('is read from versions without owners, and is the same without addresses', () => {
    const old = Buffer.from(OLD_IDS, 'hex')
    const ids = ['g-w1', 'g-ü']
    expect(decodeShared(old)).toEqual({ liveIds: new Set(ids), owners: new Map() })
    const owned = [{ topic: 't', partition: 0 }]
    expect(encodeShared(ids, [{ address: null, owned }], ROOM)).toEqual(old)
  })

  test('has owners in one more part after an empty one, both ids to versions without owners', () => {
    const owned = [{ topic: 't', partition: 0 }]
    const whole = encodeShared(['g-w1', 'g-ü'], [{ address: 'a:1', owned }], ROOM)
    const old = Buffer.from(OLD_IDS, 'hex')
    expect(whole.subarray(0, old.length)).toEqual(old)
    const added = whole.subarray(old.length)
    expect(added.readUInt16BE(0)).toBe(0)
    expect(added.readUInt16BE(2)).toBe(added.length - 4)
  })

  test.each([
    ['bytes that are not packed', Buffer.from('x')],
    ['packed text that is no JSON', deflateRawSync('[[')],
    ['another version of it', deflateRawSync('{"v":2}')],
    ['more than a group can have', deflateRawSync('[["a"],[["t",[0]]]]'.padEnd(2 ** 24 + 1))],
  ])('%s tell of no owner, but the ids are taken', (_, packed) => {
    const length = Buffer.alloc(4)
    length.writeUInt16BE(packed.length, 2)
    const data = Buffer.concat([Buffer.from(OLD_IDS, 'hex'), length, packed])
    expect(decodeShared(data)).toEqual({ liveIds: new Set(['g-w1', 'g-ü']), owners: new Map() })
  })

  test('an address that is no text is none', () => {
    const packed = deflateRawSync('[[5],[["t",[0,1]]]]')
    const data = Buffer.concat([Buffer.from([2, 0, 0, 0, packed.length]), packed])
    expect(decodeShared(data).owners).toEqual(
      new Map([
        ['t-0', null],
        ['t-1', null],
      ]),
    )
  })

  test('a thousand partitions and a hundred members take less than 2 KiB for each member', () => {
    const owners = sharing({ members: 100, partitions: 1_000 })
    const ids = idsOf(owners)
    const whole = encodeShared(ids, owners, ROOM)
    expect(whole.length - encodeShared(ids, [], ROOM).length).toBeLessThan(2_048)
    expect(decodeShared(whole).owners.size).toBe(1_000)
  })

  test('owners that do not fit are left out, but not the ids', () => {
    const owners = sharing({ members: 3, partitions: 9 })
    const ids = idsOf(owners)
    const whole = encodeShared(ids, owners, ROOM)
    expect(encodeShared(ids, owners, whole.length)).toEqual(whole)
    const plain = encodeShared(ids, [], ROOM)
    expect(encodeShared(ids, owners, whole.length - 1)).toEqual(plain)
    // More than the length before it can say.
    const address = noise(70_000).toString('base64')
    expect(encodeShared(ids, [{ address, owned: [] }], ROOM)).toEqual(plain)
  })

  test.each([
    ['no more than a group of 100 needs', { members: 100, isLarge: false }, 1_000],
    ['too many members', { members: 300, isLarge: false }, 0],
    ['too many claims', { members: 10, isLarge: true }, 0],
  ])(
    'owners are told unless the record of the group would be too large: %s',
    async (_, group, told) => {
      const { members, isLarge } = group
      const owned = isLarge ? ['u', 'v'].map((topic) => ({ topic, partition: 8 * 60_000 })) : []
      const sent = await sentBy(
        idsOf(sharing({ members, partitions: 0 })).map((transactionalId, i) => ({
          generation: 1,
          owned,
          transactionalId,
          address: `tidemark-${i}.scoring:8080`,
        })),
      )
      for (const data of sent) {
        const { liveIds, owners } = decodeShared(data)
        expect(liveIds?.size).toBe(members)
        expect(owners.size).toBe(told)
      }
    },
  )

  test.each([
    ['nothing at all', null],
    ['no bytes', Buffer.alloc(0)],
    ['another format', Buffer.from([1, 0, 1, 65])],
    ['bytes that were cut off', Buffer.from([2, 0, 5, 1])],
  ])('%s say nothing', (_, data) => {
    expect(decodeShared(data)).toEqual({ liveIds: null, owners: new Map() })
  })
})
