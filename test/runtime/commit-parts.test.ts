import { defineTopology, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { LogRecord } from '../../src/connect/port.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { type TestWorkerOptions as WorkerOptions } from '../support/in-process.ts'
import type { HandMember } from './hand-records.ts'
import { amounts, committed, joined } from './hand-worker.ts'
import { perTenSeconds, prepared, record, START_MS, scorer } from './support.ts'

// Commits that do not take all that is finished.

describe('a commit that could not be written in time', () => {
  /** Amounts that make a chunk of a little over 256 KiB. */
  const many = Array.from({ length: 2_000 }, (_, i) => record(i))

  test('is halved, within a chunk and at a record, and moves the offset that far', async () => {
    const { member, clock } = await joined()
    member.assign(1)
    member.give(1, many)
    const first = await member.nextCommit()
    const count = first.commit.outputs.length
    expect(count).toBeLessThan(2_000)
    expect(first.commit.nextOffsets[0]?.nextOffset).toBe(count)
    first.fail(new TidemarkError('COMMIT_TIMED_OUT', 'too slow'))
    await clock.asleepFor(100)
    clock.advance(100)
    const second = await committed(member)
    const half = second.outputs.length
    expect(half / count).toBeCloseTo(0.5, 1)
    expect(second.nextOffsets[0]?.nextOffset).toBe(half)
    // The next commit begins where it ended.
    await member.commitsNothing()
    clock.advance(250)
    expect(amounts((await committed(member)).outputs)[0]).toBe(half)
  })

  test('says that it cannot be made smaller when it is what one record makes', async () => {
    const { member, clock } = await joined()
    member.assign(1)
    member.give(1, [record(0), record(1)])
    const sizes: number[] = []
    let attempt = await member.nextCommit()
    for (; attempt.commit.isSmallest !== true; attempt = await member.nextCommit()) {
      sizes.push(attempt.commit.outputs.length)
      attempt.fail(new TidemarkError('COMMIT_TIMED_OUT', 'too slow'))
      await member.commitsNothing()
      clock.advance(10_000)
    }
    expect(new Set(sizes)).toEqual(new Set([2]))
    expect(amounts(attempt.commit.outputs)).toEqual([0])
  })
})

test('a worker whose commits are held up runs on, and says how much gets through', async () => {
  const { member, clock, watch } = await joined()
  member.assign(1)
  member.give(
    1,
    Array.from({ length: 2_000 }, (_, i) => record(i)),
  )
  const first = await member.nextCommit()
  clock.advance(2_500)
  first.succeed()
  await watch.until((w) => w.troubles('writing').length > 0)
  expect(watch.troubles('writing')[0]?.reason).toMatch(
    /^writing is slow: about 10\d KB a second get through/,
  )
  await member.commitsNothing()
  clock.advance(10)
  await committed(member)
  await watch.until((w) => w.troubles('writing').length > 1)
  expect(watch.of('state').at(-1)).toEqual({ type: 'state', state: 'running' })
})

test('a worker that has had nothing to commit for a while is not slow any more', async () => {
  const { member, clock, watch } = await joined()
  member.assign(1)
  member.give(
    1,
    Array.from({ length: 1_000 }, (_, i) => record(i)),
  )
  const only = await member.nextCommit()
  clock.advance(2_500)
  only.succeed()
  await watch.until((w) => w.troubles('writing').length > 0)
  await member.commitsNothing()
  clock.advance(10)
  await clock.asleepFor(5_000)
  expect(watch.troubles('writing')).toHaveLength(1)
  clock.advance(5_000)
  await watch.until((w) => w.troubles('writing').length > 1)
  expect(watch.of('state').at(-1)).toEqual({ type: 'state', state: 'running' })
})

test('a commit for which the broker throttles was as slow as that', async () => {
  const { member, clock } = await joined()
  member.assign(1)
  member.give(
    1,
    Array.from({ length: 5_000 }, (_, i) => record(i)),
  )
  const first = await member.nextCommit()
  member.handlers.throttled(8_000, 'writing')
  first.succeed()
  await member.commitsNothing()
  clock.advance(10)
  const second = await member.nextCommit()
  const count = first.commit.outputs.length
  expect(second.commit.outputs.length / count).toBeCloseTo(0.5, 1)
  // It has to wait for the first, and is not slow itself.
  clock.advance(8_000)
  second.succeed()
  await member.commitsNothing()
  clock.advance(10)
  const third = await committed(member)
  expect(third.outputs.length).toBeGreaterThan(second.commit.outputs.length)
})

/** `events` → the amount and 40,000 bytes → `scores`. */
const padded = defineTopology('padded', (t) =>
  t
    .source('events', {
      schema: z.object({ key: z.string(), at: z.number(), amount: z.number() }),
      key: (e) => e.key,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(1) },
      onLate: 'dead-letter',
    })
    .map((e) => ({ amount: e.amount, padding: 'x'.repeat(40_000) }))
    .sink('scores'),
)

describe('what is on its way', () => {
  const start = async (more: Partial<WorkerOptions> = {}) => {
    const { member } = await joined(scorer(), { prepared: prepared(scorer(), padded), ...more })
    for (const partition of [0, 1, 2]) member.assign(partition + 1, partition)
    return member
  }
  const give = async (member: HandMember, partition: number, records: number) => {
    const chunk = Array.from({ length: records }, (_, i) => record(i))
    member.give(partition + 1, chunk, partition)
    // Outputs are there when the chunk is finished.
    await member.commitsNothing()
    member.give(partition + 1, [record(records)], partition)
  }

  test('counts with the outputs that were made of it', async () => {
    const member = await start()
    await give(member, 0, 300)
    expect(member.calls).toEqual([])
    await give(member, 1, 500)
    expect(member.calls).toEqual(['pause 1'])
  })

  test('of all partitions keeps to one budget', async () => {
    const member = await start({ maxInFlightBytes: 16_000_000 })
    // Alone it may have half of it.
    await give(member, 0, 170)
    expect(member.calls).toEqual([])
    await give(member, 1, 100)
    expect(member.calls).toEqual(['pause 0'])
    await give(member, 2, 140)
    expect(member.calls).toEqual(['pause 0', 'pause 1', 'pause 2'])
  })

  const large = Buffer.alloc(17 * 2 ** 20, 'x')
  test.each<[string, Partial<LogRecord>]>([
    ['a key', { key: large }],
    ['a header', { headers: [{ name: 'trace', value: large }] }],
  ])('counts %s, also of what is read again', async (_, part) => {
    const { member } = await joined()
    member.assign(1, 0)
    member.give(1, [{ ...record(0), ...part }], 0)
    expect(member.calls).toEqual(['pause 0'])
    member.lose(0)
    // The windows of three committed records are made again.
    member.assign(2, 1, 3)
    member.give(2, [{ ...record(0), ...part }], 1)
    expect(member.calls).toEqual(['pause 0', 'pause 1'])
  })

  test('of a partition that is lost is free for others at once', async () => {
    const member = await start({ maxInFlightBytes: 16_000_000 })
    await give(member, 0, 170)
    await give(member, 1, 125)
    expect(member.calls).toEqual(['pause 0', 'pause 1'])
    member.calls.length = 0
    member.lose(0)
    expect(member.calls).toEqual(['resume 1'])
  })
})

test('where not all have room, each partition is first in its turn', async () => {
  const { member, clock } = await joined(scorer(), { maxCommitBytes: 1 })
  member.assign(1, 0)
  member.assign(2, 1)
  member.give(1, [record(0), record(1)], 0)
  member.give(2, [record(0), record(1)], 1)
  const first: (number | undefined)[] = []
  for (let i = 0; i < 4; i++) {
    first.push((await committed(member)).nextOffsets[0]?.partition)
    await member.commitsNothing()
    clock.advance(250)
  }
  expect(first).toEqual([0, 1, 0, 1])
})

test('what one record makes has its turn, though another partition has something for each commit', async () => {
  const { member, clock } = await joined(scorer(), { prepared: prepared(scorer(), perTenSeconds) })
  member.assign(1, 0)
  member.assign(2, 1)
  const at = (key: string, second: number) =>
    Buffer.from(JSON.stringify({ key, at: START_MS + second * 1_000, amount: 1 }))
  // Their results are more than the first commits take.
  const keys = Array.from({ length: 2_000 }, (_, i) => record(i, { value: at(`k${i}`, 0) }))
  member.give(2, keys, 1)
  await committed(member)
  member.give(2, [record(2_000, { value: at('last', 20) })], 1)
  const written: number[] = []
  for (let offset = 0; offset < 4; offset++) {
    member.give(1, [record(offset, { value: at('a', 20 * offset) })], 0)
    await member.commitsNothing()
    clock.advance(250)
    written.push((await committed(member)).outputs.length)
  }
  expect(written).toContain(2_000)
})
