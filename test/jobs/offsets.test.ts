import { expect, test, vi } from 'vitest'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import {
  applyPlan,
  type OffsetChange,
  type OffsetsJob,
  planOffsets,
  readOffsets,
} from '../../src/jobs/offsets.ts'
import { faultsOf, TidemarkError } from '../../src/kernel/errors.ts'
import {
  type CheckpointMetadata,
  decodeMetadata,
  encodeMetadata,
} from '../../src/runtime/commit/checkpoint-metadata.ts'
import { sums } from '../runtime/memory-workers.ts'

const GROUP = 'g'
const AT_MS = Date.UTC(2026, 0, 1)
const definition = sums('a')
const VARIANTS = new Map([['a', new Map([['score', 'small']])]])

function note(more: Partial<CheckpointMetadata> = {}): string {
  const from = { offset: 1, newestMs: AT_MS, idleMs: Number.NEGATIVE_INFINITY }
  const checkpoint = { fingerprint: 'f', from, idleMs: from.idleMs, wholeFromMs: from.idleMs }
  const topologies = new Map([['a', checkpoint]])
  const whole = { partitions: 2, lastRecord: null, topologies, variants: VARIANTS, range: null }
  return encodeMetadata({ ...whole, ...more })
}

/** Partition 0 has offsets 0 to 9, one a second, of which 6 are committed with a note. */
function given(metadata = note()) {
  const records = new MemoryRecords()
  records.createTopic('events', { partitions: 2 })
  const value = Buffer.from('{}')
  records.produce(
    Array.from({ length: 10 }, (_, i) => {
      const parts = { key: null, value, headers: [], timestampMs: AT_MS + i * 1_000 }
      return { topic: 'events', partition: 0, ...parts }
    }),
  )
  const partition = { topic: 'events', partition: 0 }
  records.resetOffset(GROUP, partition, { nextOffset: 6, metadata })
  const job: OffsetsJob = { definition, group: GROUP, records }
  const committed = (group = GROUP, at = 0) =>
    records.committed(group, { topic: 'events', partition: at })
  return { records, job, committed }
}

const faultsBy = async (work: Promise<unknown>) =>
  (await work.then(() => [], faultsOf)) as readonly TidemarkError[]

const reset = (to: Extract<OffsetChange, { reset: unknown }>['reset'], ...partitions: number[]) => {
  return { reset: to, partitions: partitions.length === 0 ? null : partitions }
}

const join = (records: MemoryRecords) => {
  const none = () => {}
  const handlers = { assigned: () => 0, lost: none, chunk: none, caughtUp: none }
  const others = { unreadable: none, throttled: none, failed: none }
  return records.join({
    ...{ group: GROUP, topics: ['events'], from: 'earliest' },
    handlers: { ...handlers, ...others },
  })
}

test('offsets are shown with lag, and from where windows are read again', async () => {
  const { job, records } = given()
  expect(await readOffsets(job)).toMatchObject([
    {
      partition: 0,
      committed: { nextOffset: 6 },
      lowOffset: 0,
      endOffset: 10,
      lag: 4,
      windowsFrom: 1,
    },
    { partition: 1, committed: null, lag: 0, windowsFrom: null },
  ])
  // What was deleted cannot be read any more.
  records.deleteBefore({ topic: 'events', partition: 0, offset: 8 })
  expect(await readOffsets(job)).toMatchObject([{ lag: 2 }, { lag: 0 }])
})

test.each([
  ['earliest', reset('earliest', 0), { to: 0, scoredAgain: 6, neverScored: 0, readForWindows: 0 }],
  ['latest', reset('latest', 0), { to: 10, scoredAgain: 0, neverScored: 4, readForWindows: 10 }],
  [
    'an offset',
    reset({ offset: 4 }, 0),
    { to: 4, scoredAgain: 2, neverScored: 0, readForWindows: 4 },
  ],
  ['a time', reset({ timeMs: AT_MS + 2_500 }, 0), { to: 3, scoredAgain: 3, neverScored: 0 }],
  ['where it is', reset({ offset: 6 }, 0), { to: 6, scoredAgain: 0, readForWindows: 5 }],
] as const)(
  'the plan of a reset to %s says what is scored again, or never',
  async (_, change, move) => {
    const { job, committed } = given()
    const { moves } = await planOffsets(job, change)
    expect(moves).toMatchObject([{ partition: 0, from: 6, ...move }])
    expect(committed()?.nextOffset).toBe(6)
  },
)

test('a changed offset keeps the variants of the group and loses the rest; one that stays keeps its note', async () => {
  const { job, committed, records } = given()
  const set = vi.spyOn(records, 'setOffsets')
  await applyPlan(job, await planOffsets(job, reset({ offset: 6 }, 0)))
  // Not even written again, because the member's mark beside it would be lost.
  expect(set).toHaveBeenCalledWith(GROUP, [])
  expect(committed()).toEqual({ nextOffset: 6, metadata: note() })
  await applyPlan(job, await planOffsets(job, reset('earliest')))
  for (const partition of [0, 1]) {
    const { nextOffset, metadata = '' } = committed(GROUP, partition) ?? {}
    const left = { partitions: 2, lastRecord: null, topologies: new Map(), variants: VARIANTS }
    expect([nextOffset, decodeMetadata(metadata)]).toEqual([0, { ...left, range: null }])
  }
})

test('a time without records behind it is the end, and the plan says so', async () => {
  const { job } = given()
  const { moves, notes } = await planOffsets(job, reset({ timeMs: AT_MS + 60_000 }, 0))
  expect(moves).toMatchObject([{ to: 10 }])
  expect(notes).toEqual(['events-0 has no record at or after 2026-01-01T00:01:00.000Z: its end'])
})

test('the plan says what retention has cut', async () => {
  const { job, records } = given()
  records.deleteBefore({ topic: 'events', partition: 0, offset: 3 })
  const { moves, notes } = await planOffsets(job, reset('earliest', 0))
  expect(moves).toMatchObject([{ to: 3, scoredAgain: 3 }])
  const cut = ['events-0 begins at 3: records before were deleted']
  expect(notes).toEqual(cut)
  // Windows lack them, too.
  expect((await planOffsets(job, reset({ offset: 5 }, 0))).notes).toEqual(cut)
  // A new leader may not have deleted as much yet.
  records.offsetsSince = async () => new Map([['events-0', 0]])
  expect((await planOffsets(job, reset({ timeMs: 0 }, 0))).moves).toMatchObject([{ to: 3 }])
})

test('a skip goes on behind the damaged batch, with windows that begin there and are marked', async () => {
  const { job, committed, records } = given()
  records.damagedBatch = async () => ({ offset: 7, nextOffset: 9 })
  const plan = await planOffsets(job, { skip: { partition: 0, offset: 7 } })
  expect(plan.moves).toMatchObject([{ from: 6, to: 9, neverScored: 3, readForWindows: 0 }])
  expect(plan.notes).toEqual(['events-0: 1 offsets before the batch are never scored either'])
  await applyPlan(job, plan)
  const { nextOffset, metadata = '' } = committed() ?? {}
  const from = { offset: 9, newestMs: AT_MS }
  expect([nextOffset, decodeMetadata(metadata)?.topologies.get('a')]).toMatchObject([
    9,
    { fingerprint: 'f', from, wholeFromMs: null },
  ])
})

test('a skip without a note says how the workers must start, or they would read the batch again', async () => {
  const { job, records } = given('')
  records.damagedBatch = async () => ({ offset: 6, nextOffset: 9 })
  const { notes } = await planOffsets(job, { skip: { partition: 0, offset: 6 } })
  expect(notes[0]).toContain('start the workers with --rebuild none')
})

test('a copy keeps offsets and notes; with more partitions it keeps the variants alone', async () => {
  const { job, committed, records } = given()
  await applyPlan(job, await planOffsets(job, { copy: 'h' }))
  expect(committed('h')).toEqual({ nextOffset: 6, metadata: note() })
  records.addPartitions('events', 3)
  const plan = await planOffsets(job, { copy: 'i' })
  expect(plan.moves).toMatchObject([{ partition: 0, from: 6, to: 6, scoredAgain: 0 }])
  await applyPlan(job, plan)
  const { metadata = '' } = committed('i') ?? {}
  expect(decodeMetadata(metadata)).toMatchObject({ partitions: 3, variants: VARIANTS })
  expect(decodeMetadata(metadata)?.topologies.size).toBe(0)
  expect(committed('i', 2)).toBeNull()
})

test('while the group has members the plan names them, and nothing is changed', async () => {
  const { job, committed, records } = given()
  const member = await join(records)
  const plan = await planOffsets(job, reset('earliest'))
  expect(plan.members).toHaveLength(1)
  await expect(applyPlan(job, plan)).rejects.toMatchObject({
    ...{ code: 'GROUP_ACTIVE', action: 'refuse' },
    message: `the group has members: ${plan.members[0]}`,
  })
  // One that joins after the plan is noticed by the group.
  await expect(applyPlan(job, { ...plan, members: [] })).rejects.toMatchObject({
    code: 'GROUP_ACTIVE',
  })
  expect(committed()?.nextOffset).toBe(6)
  await member.leave()
})

test.each<[string, OffsetChange, string[]]>([
  ['an offset beyond the log', reset({ offset: 11 }), ['events-0@11', 'events-1@11']],
  ['a partition that is not there', reset('latest', 0, 7), ['events-7']],
  ['a skip of what is committed', { skip: { partition: 0, offset: 5 } }, ['events-0@6']],
  ['a skip of a batch that is intact', { skip: { partition: 0, offset: 7 } }, ['events-0@7']],
  ['a skip beyond the log', { skip: { partition: 0, offset: 10 } }, ['events-0@11']],
  ['a copy to itself', { copy: GROUP }, [GROUP]],
])('%s is refused, with all that is wrong', async (_, change, where) => {
  const faults = await faultsBy(planOffsets(given().job, change))
  expect(faults.map((fault) => fault.where)).toEqual(where)
})

test('a copy to a group that has committed, and offsets of another topology, are refused', async () => {
  const { job, records } = given()
  records.resetOffset('h', { topic: 'events', partition: 1 }, { nextOffset: 0, metadata: '' })
  expect(await faultsBy(planOffsets(job, { copy: 'h' }))).toMatchObject([{ where: 'h' }])
  const other = given(note({ topologies: new Map(), variants: new Map() }))
  expect((await planOffsets(other.job, reset('latest'))).moves).toHaveLength(2)
  const foreign = { ...given().job, definition: sums('constructor') }
  expect(await faultsBy(planOffsets(foreign, reset('latest')))).toMatchObject([
    { message: 'the group is that of "a", not of "constructor"' },
  ])
})

test('the plan says which other topologies of the group it moves too', async () => {
  const both = decodeMetadata(note())?.topologies.get('a')
  const topologies = new Map([
    ['a', both],
    ['b', both],
  ]) as CheckpointMetadata['topologies']
  const { notes } = await planOffsets(given(note({ topologies })).job, reset('earliest', 0))
  expect(notes).toEqual(['the offsets are also those of b'])
})

test('a missing topic and a missing right are refused together', async () => {
  const { job, records } = given()
  records.deleteTopic('events')
  records.missingRights = async () => [new TidemarkError('AUTHORIZATION', 'no READ')]
  expect(await faultsBy(planOffsets(job, reset('latest')))).toMatchObject([
    { code: 'AUTHORIZATION' },
    { code: 'TOPIC_MISSING' },
  ])
})

test('a right to the group that gets a copy is missed before anything is planned', async () => {
  const { job, records } = given()
  const denied = new TidemarkError('AUTHORIZATION', 'no READ')
  records.missingRights = async (needs?: { group: string }) =>
    needs?.group === 'h' ? [denied] : []
  expect(await faultsBy(planOffsets(job, { copy: 'h' }))).toEqual([denied])
})

test('partitions that were added since are not reset, because their windows would be wrong', async () => {
  const { job, records } = given()
  records.addPartitions('events', 3)
  await expect(planOffsets(job, reset('latest'))).rejects.toMatchObject({ code: 'TOPIC_CHANGED' })
})
