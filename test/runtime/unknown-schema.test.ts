import { expect, test } from 'vitest'
import { HandRegistry } from '../formats/registry/hand-registry.ts'
import { headerOf } from '../support/headers.ts'
import { commitAs, GROUP, PacelessClock } from './memory-workers.ts'
import {
  CHECKPOINT,
  givenUp,
  JSON_SCHEMA,
  runAll,
  send,
  started,
  textsOf,
  topics,
} from './registry-workers.ts'
import { START_MS } from './support.ts'

// A record that names a schema which the registry does not have: a dead letter, written down so
// that a replay decides as the first pass did (rule R9).

const KNOWN = 1
const UNKNOWN = 57

function registryWith(...ids: readonly number[]): HandRegistry {
  const hand = new HandRegistry()
  for (const id of ids) hand.add(id, JSON_SCHEMA)
  return hand
}

const codes = (records: ReturnType<typeof topics>) =>
  records.read('events.dlq').map((r) => [headerOf(r, 'tidemark.code'), offsetOf(r)])
const offsetOf = (r: Parameters<typeof headerOf>[0]) =>
  Number(headerOf(r, '__streams.errors.offset'))

const isDone = (of: { partition: { partition: number }; nextOffset: number }) =>
  of.partition.partition === 1 && of.nextOffset === 1

const counted = (records: ReturnType<typeof topics>) =>
  textsOf(records.read('counts')).map((text) => (JSON.parse(text) as { n: number }).n)

test('an unknown id waits until the registry has denied it for 10 s; then its records are set aside', async () => {
  const records = topics(2)
  send(records, [
    { id: KNOWN, atMs: 0 },
    { id: UNKNOWN, atMs: 1 },
    { id: KNOWN, atMs: 2 },
    { id: KNOWN, atMs: 20_000 },
    { id: KNOWN, atMs: 0, partition: 1 },
  ])
  const clock = new PacelessClock(START_MS)
  const { worker, watch } = await started(records, { hand: registryWith(KNOWN), clock })
  await watch.until((w) => w.troubles('schema').length > 0)
  const waits = 'events-0 waits: the schema registry has no schema 57, which a record refers to'
  expect(watch.of('state').at(-1)).toMatchObject({ state: 'unavailable', reason: waits })
  // The other partition goes on.
  await watch.until((w) => w.of('committed').some((c) => c.nextOffsets.some(isDone)))
  await clock.pass(9_000)
  expect(records.read('events.dlq')).toEqual([])
  await clock.pass(3_000)
  await records.settled(GROUP, 'events')
  expect(codes(records)).toEqual([['SCHEMA_UNKNOWN', 1]])
  expect(counted(records)).toEqual([2])
  expect(watch.troubles('unknown').map(({ reason }) => reason)).toEqual([
    'the schema registry has no schema 57',
  ])
  await worker.stop()
})

test('only what the registry itself denies counts: while it is down, records wait on', async () => {
  const records = topics()
  send(records, [{ id: UNKNOWN, atMs: 0 }])
  const hand = registryWith()
  const clock = new PacelessClock(START_MS)
  const { worker, watch } = await started(records, { hand, clock })
  await watch.until((w) => w.troubles('schema').length > 0)
  await clock.pass(8_000)
  hand.isDown = true
  await clock.pass(60_000)
  hand.isDown = false
  await clock.pass(9_000)
  expect(records.read('events.dlq')).toEqual([])
  await clock.pass(4_000)
  await records.settled(GROUP, 'events')
  expect(codes(records)).toEqual([['SCHEMA_UNKNOWN', 0]])
  await worker.stop()
})

test('an id that was given up is not asked for again for 60 s, and decoded once it exists', async () => {
  const records = topics()
  const hand = registryWith()
  const clock = new PacelessClock(START_MS)
  send(records, [{ id: UNKNOWN, atMs: 0 }])
  const { worker, watch } = await started(records, { hand, clock })
  await watch.until((w) => w.troubles('schema').length > 0)
  await clock.pass(12_000)
  await records.settled(GROUP, 'events')
  const asked = hand.asked.length
  hand.add(UNKNOWN, JSON_SCHEMA)
  await clock.pass(40_000)
  send(records, [{ id: UNKNOWN, atMs: 1 }])
  await records.settled(GROUP, 'events')
  expect(hand.asked.length).toBe(asked)
  await clock.pass(60_000)
  send(records, [{ id: UNKNOWN, atMs: 2 }])
  await records.settled(GROUP, 'events')
  expect(hand.asked.length).toBe(asked + 1)
  expect(codes(records).map(([, offset]) => offset)).toEqual([0, 1])
  await worker.closeWindows()
  expect(counted(records)).toEqual([1])
  // That it was over was told with the first chunk a minute after the last such record.
  expect(watch.troubles('unknown').map(({ reason }) => reason)).toEqual([
    'the schema registry has no schema 57',
    null,
  ])
  expect(watch.of('state').at(-1)).toEqual({ type: 'state', state: 'running' })
  await worker.stop()
})

test('what is given up is written down in a topic that the worker makes, in the commit of the dead letter', async () => {
  const records = topics(2)
  send(records, [
    { id: UNKNOWN, atMs: 0 },
    { id: UNKNOWN, atMs: 1 },
    { id: KNOWN, atMs: 2 },
    { id: UNKNOWN, atMs: 3 },
    { id: UNKNOWN, atMs: 4, partition: 1 },
  ])
  await runAll(records, { hand: registryWith(KNOWN) })
  const info = (await records.describe([CHECKPOINT, 'events'])).get(CHECKPOINT)
  expect(info).toMatchObject({ partitions: 2, isCompacted: true })
  expect(records.read(CHECKPOINT, 0).map(({ key, value }) => [String(key), String(value)])).toEqual(
    [['schema/0', '{"v":1,"topicId":"0","unknown":[[0,1],[3,3]]}']],
  )
  expect(givenUp(records, 1)).toEqual([0])
})

test('a replay refuses what was refused, although the registry knows the schema by now', async () => {
  const records = topics()
  const before = registryWith(KNOWN)
  send(records, [
    { id: KNOWN, atMs: 0 },
    { id: UNKNOWN, atMs: 1 },
    { id: KNOWN, atMs: 2 },
  ])
  await runAll(records, { hand: before })
  send(records, [
    { id: UNKNOWN, atMs: 3 },
    { id: KNOWN, atMs: 20_000 },
  ])
  const after = registryWith(KNOWN, UNKNOWN)
  await runAll(records, { hand: after })
  expect(counted(records)).toEqual([3])
  expect(codes(records)).toEqual([['SCHEMA_UNKNOWN', 1]])
})

test('a replay that meets an unknown id of which nothing is written down waits: it was decoded then', async () => {
  const records = topics()
  send(records, [{ id: UNKNOWN, atMs: 0 }])
  await runAll(records, { hand: registryWith(UNKNOWN) })
  send(records, [{ id: KNOWN, atMs: 20_000 }])
  const clock = new PacelessClock(START_MS)
  const hand = registryWith(KNOWN)
  const { worker, watch } = await started(records, { hand, clock })
  await watch.until((w) => w.troubles('schema').length > 0)
  await clock.pass(120_000)
  expect(records.committed(GROUP, { topic: 'events', partition: 0 })?.nextOffset).toBe(1)
  hand.add(UNKNOWN, JSON_SCHEMA)
  await clock.pass(10_000)
  await records.settled(GROUP, 'events')
  expect(counted(records)).toEqual([1])
  expect(records.read('events.dlq')).toEqual([])
  await worker.stop()
})

test('an operator who sets the offset back has the records before it as they were, and the others decided anew', async () => {
  const records = topics()
  send(
    records,
    [0, 1, 2, 3, 4, 5].map((atMs) => ({ id: atMs % 2 === 0 ? KNOWN : UNKNOWN, atMs })),
  )
  await runAll(records, { hand: registryWith(KNOWN) })
  expect(givenUp(records)).toEqual([1, 3, 5])
  await commitAs(records, 2, '')
  // A commit that gives nothing up corrects what is written of 3 and 5.
  const hand = registryWith(KNOWN, UNKNOWN)
  await runAll(records, { hand })
  expect(givenUp(records)).toEqual([1])
  send(records, [{ id: KNOWN, atMs: 20_000 }])
  await runAll(records, { hand })
  expect(counted(records)).toEqual([5])
})

test('what was given up before a restart stays written beside what is given up after it', async () => {
  const records = topics()
  send(records, [{ id: UNKNOWN, atMs: 0 }])
  await runAll(records, { hand: registryWith() })
  send(records, [{ id: UNKNOWN, atMs: 1 }])
  await runAll(records, { hand: registryWith() })
  expect(givenUp(records)).toEqual([0, 1])
})

test('what is written of records that the log no longer has is deleted', async () => {
  const records = topics(1, 2_000)
  send(
    records,
    Array.from({ length: 1_030 }, (_, atMs) => ({ id: UNKNOWN, atMs })),
  )
  await runAll(records, { hand: registryWith(KNOWN) })
  expect(givenUp(records)).toHaveLength(1_030)
  records.deleteBefore({ topic: 'events', partition: 0, offset: 1_025 })
  send(records, [{ id: KNOWN, atMs: 2_000 }])
  await runAll(records, { hand: registryWith(KNOWN) })
  expect(givenUp(records)).toEqual([1_024, 1_025, 1_026, 1_027, 1_028, 1_029])
})

test('what is written of a topic that was made again does not hold for the new one', async () => {
  const records = topics()
  send(records, [{ id: UNKNOWN, atMs: 0 }])
  await runAll(records, { hand: registryWith(KNOWN) })
  records.deleteTopic('events')
  records.createTopic('events', { partitions: 1 })
  send(records, [{ id: UNKNOWN, atMs: 0 }])
  const hand = registryWith(KNOWN, UNKNOWN)
  await runAll(records, { hand, from: 'latest' })
  send(records, [{ id: KNOWN, atMs: 20_000 }])
  await runAll(records, { hand })
  expect(counted(records)).toEqual([1])
  expect(givenUp(records)).toEqual([])
})
