import { describe, expect, test } from 'vitest'
import type { LogRecord } from '../../src/connect/port.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { type TestWorkerOptions as WorkerOptions } from '../support/in-process.ts'
import { commitFailed, type HandMember } from './hand-records.ts'
import { amounts, committed, joined } from './hand-worker.ts'
import { perTenSeconds, prepared, record, START_MS, scorer } from './support.ts'

// Commits of a worker on records whose every move the test makes.

test('an offset is committed with every output before it, under the epoch it was read in (C3)', async () => {
  const { member } = await joined()
  member.assign(7)
  member.give(7, [record(0), record(1, { value: Buffer.from('{') }), record(2)])
  const commit = await committed(member)
  expect(amounts(commit.outputs)).toEqual([0, 2])
  expect(commit.deadLetters).toHaveLength(1)
  expect(commit.nextOffsets).toEqual([
    { topic: 'events', partition: 0, epoch: 7, nextOffset: 3, metadata: expect.any(String) },
  ])
})

test('while one commit is in flight the next is gathered', async () => {
  const { member, clock } = await joined()
  member.assign(1)
  member.give(1, [record(0)])
  const first = await member.nextCommit()
  member.give(1, [record(1)])
  member.give(1, [record(2)])
  expect(await member.commitsNothing()).toBe(true)
  first.succeed()
  await clock.asleepFor(10)
  clock.advance(10)
  const second = await committed(member)
  expect(amounts(second.outputs)).toEqual([1, 2])
  expect(second.nextOffsets[0]?.nextOffset).toBe(3)
})

test('a member commits exactly once unless it is told otherwise', async () => {
  const { member } = await joined()
  expect(member.options.guarantee).toBe('exactly-once')
  const { member: other } = await joined(scorer(), { guarantee: 'at-least-once' })
  expect(other.options.guarantee).toBe('at-least-once')
})

describe('a chunk that closes many windows', () => {
  /** One window of each key, and the record that closes them. */
  const many = (keys: number): LogRecord[] => {
    const value = (key: string, at: number) =>
      Buffer.from(JSON.stringify({ key, at: START_MS + at, amount: 1 }))
    const events = Array.from({ length: keys }, (_, i) => record(i, { value: value(`k${i}`, 0) }))
    return [...events, record(keys, { value: value('last', 20_000) })]
  }

  test('is one commit with its offset, however many they are (C4)', async () => {
    const { member } = await joined(scorer(), { prepared: prepared(scorer(), perTenSeconds) })
    member.assign(1)
    member.give(1, many(2_500))
    const { outputs, nextOffsets } = await committed(member)
    expect(outputs).toHaveLength(2_500)
    expect(nextOffsets.map((o) => o.nextOffset)).toEqual([2_501])
  })

  test('at least once is written in parts, the offset with the last', async () => {
    const options = { prepared: prepared(scorer(), perTenSeconds), guarantee: 'at-least-once' }
    const { member, clock } = await joined(scorer(), options as Partial<WorkerOptions>)
    member.assign(1)
    member.give(1, many(12_000))
    let written = 0
    for (;;) {
      const { outputs, nextOffsets } = await committed(member)
      // Eight pieces of 1,000 wait at most, and the one that is made meanwhile.
      expect(outputs.length).toBeLessThanOrEqual(10_000)
      written += outputs.length
      if (nextOffsets.length > 0) break
      await new Promise((resolve) => setImmediate(resolve))
      clock.advance(100)
    }
    expect(written).toBe(12_000)
  })
})

describe('the pace of commits', () => {
  /** Two commits, one after the other, of which the second could be made at once. */
  async function twice(more: Partial<WorkerOptions>) {
    const { member, clock, worker } = await joined(scorer(), more)
    member.assign(1)
    member.give(1, [record(0)])
    const first = await member.nextCommit()
    member.give(1, [record(1)])
    first.succeed()
    await member.commitsNothing()
    return { member, clock, worker }
  }

  test('is 10 ms when there is little to do', async () => {
    const { member, clock } = await twice({})
    clock.advance(9)
    expect(await member.commitsNothing()).toBe(true)
    clock.advance(1)
    expect(await member.commitsNothing()).toBe(false)
  })

  test('is what it is told to be', async () => {
    const { member, clock } = await twice({ commitIntervalMs: 400 })
    clock.advance(399)
    expect(await member.commitsNothing()).toBe(true)
    clock.advance(1)
    expect(await member.commitsNothing()).toBe(false)
  })

  test('is no reason to hold a partition up: the next commit comes at once', async () => {
    const { member, clock } = await twice({ commitIntervalMs: 400 })
    const value = Buffer.alloc(17 * 1024 * 1024, ' ')
    record(2).value?.copy(value)
    clock.advance(10)
    member.give(1, [record(2, { value })])
    expect(member.calls).toEqual(['pause 0'])
    expect(await member.commitsNothing()).toBe(false)
  })

  test('is no reason to stop later', async () => {
    const { member, clock, worker } = await twice({ commitIntervalMs: 60_000 })
    clock.advance(10)
    const stopped = worker.stop()
    expect(amounts((await committed(member)).outputs)).toEqual([1])
    await stopped
  })
})

describe('a commit that failed', () => {
  test('is sent again whole and in order, with what has finished since; nothing is skipped (C1)', async () => {
    const { member, clock, watch } = await joined()
    member.assign(1)
    member.give(1, [record(0), record(1)])
    const first = await member.nextCommit()
    first.fail(commitFailed())
    await clock.asleepFor(100)
    member.give(1, [record(2)])
    expect(await member.commitsNothing()).toBe(true)
    clock.advance(100)
    const second = await committed(member)
    expect(amounts(second.outputs)).toEqual([0, 1, 2])
    expect(second.outputs.slice(0, 2)).toEqual(first.commit.outputs)
    expect(second.nextOffsets[0]?.nextOffset).toBe(3)
    expect(watch.of('commit-failed')[0]).toMatchObject({
      code: 'COMMIT_FAILED',
      nextAttemptMs: 100,
    })
  })

  test('is tried again after waits that double up to 10 s, and from the start once one succeeded', async () => {
    const { member, clock, watch } = await joined()
    member.assign(1)
    member.give(1, [record(0)])
    const waits = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]
    for (const [n, wait] of waits.entries()) {
      ;(await member.nextCommit()).fail(commitFailed())
      await watch.until(() => watch.of('commit-failed').length === n + 1)
      clock.advance(wait)
    }
    expect(watch.of('commit-failed').map((e) => e.nextAttemptMs)).toEqual(waits)
    await committed(member)
    await clock.asleepFor(10)
    clock.advance(10)
    member.give(1, [record(1)])
    ;(await member.nextCommit()).fail(commitFailed())
    await watch.until(() => watch.of('commit-failed').length === waits.length + 1)
    expect(watch.of('commit-failed').at(-1)?.nextAttemptMs).toBe(100)
  })

  test('for a reason that trying again does not mend ends the worker', async () => {
    const { member, worker } = await joined()
    member.assign(1)
    member.give(1, [record(0)])
    ;(await member.nextCommit()).fail(new TidemarkError('TOPIC_LIMITS', 'too large'))
    await expect(worker.done).rejects.toMatchObject({ code: 'TOPIC_LIMITS' })
    expect(member.calls).toEqual(['leave'])
  })
})

describe('a task that was lost', () => {
  test('publishes nothing of what it had pending (C1)', async () => {
    let open: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const { member } = await joined(scorer((a) => gate.then(() => a)))
    member.assign(1)
    member.give(1, [record(0)])
    member.lose()
    open()
    expect(await member.commitsNothing()).toBe(true)
  })

  test('is not in the next attempt of a commit that failed; those that stayed are (C1)', async () => {
    const { member, clock } = await joined()
    member.assign(1, 0)
    member.assign(2, 1)
    member.give(1, [record(0)], 0)
    const first = await member.nextCommit()
    member.give(2, [record(5)], 1)
    first.fail(commitFailed())
    await clock.asleepFor(100)
    member.lose(0)
    clock.advance(100)
    const second = await committed(member)
    expect(amounts(second.outputs)).toEqual([5])
    expect(second.nextOffsets.map((o) => o.partition)).toEqual([1])
  })

  test('reads nothing again that it had still to read, and tells nothing any more', async () => {
    const { member, watch } = await joined()
    let asked = 0
    const counted = (offset: number): LogRecord => {
      const { value, ...rest } = record(offset)
      const ask = () => {
        asked++
        return value
      }
      return Object.defineProperty({ ...rest, value }, 'value', { get: ask })
    }
    member.assign(1, 0, 6_000)
    // More than one turn of the event loop takes.
    for (const begin of [0, 2_000, 4_000]) {
      member.give(
        1,
        Array.from({ length: 2_000 }, (_, i) => counted(begin + i)),
      )
    }
    member.lose()
    const before = asked
    await member.commitsNothing()
    expect(asked).toBe(before)
    expect(watch.events.at(-1)).toMatchObject({ type: 'lost' })
  })

  test('and came back starts again: chunks of the older assignment are worthless', async () => {
    const { member } = await joined()
    member.assign(1)
    member.lose()
    member.assign(2)
    member.give(1, [record(0)])
    member.give(2, [record(1)])
    const commit = await committed(member)
    expect(amounts(commit.outputs)).toEqual([1])
    expect(commit.nextOffsets[0]).toMatchObject({ epoch: 2, nextOffset: 2 })
  })
})

describe('backpressure', () => {
  const give = (member: HandMember, epoch: number, offsets: readonly number[]) => {
    for (const offset of offsets) member.give(epoch, [large(record(offset))])
  }
  /** The same record, 1 MiB of it. */
  const large = (small: LogRecord): LogRecord => {
    const value = Buffer.alloc(1024 * 1024, ' ')
    small.value?.copy(value)
    return { ...small, value }
  }

  test('pauses a partition with 16 MiB on their way, and resumes it at 8 MiB', async () => {
    const { member, clock } = await joined()
    member.assign(1)
    give(member, 1, [0])
    const first = await member.nextCommit()
    give(member, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    expect(member.calls).toEqual([])
    give(member, 1, [15])
    expect(member.calls).toEqual(['pause 0'])
    first.succeed()
    await clock.asleepFor(10)
    expect(await member.commitsNothing()).toBe(true)
    expect(member.calls).toEqual(['pause 0'])
    clock.advance(10)
    await committed(member)
    await member.commitsNothing()
    expect(member.calls).toEqual(['pause 0', 'resume 0'])
  })

  test('of a task that was lost does not stop its successor', async () => {
    const { member, clock } = await joined()
    member.assign(1)
    give(member, 1, [0])
    const first = await member.nextCommit()
    give(member, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
    member.lose()
    member.assign(2, 0, 0)
    first.succeed()
    await clock.asleepFor(10)
    expect(member.calls).toEqual(['pause 0'])
    clock.advance(10)
    give(member, 2, [0])
    expect(amounts((await committed(member)).outputs)).toEqual([0])
  })
})
