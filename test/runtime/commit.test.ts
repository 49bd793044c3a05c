import { describe, expect, test } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import type { LogRecord, NewRecord } from '../../src/records/port.ts'
import { startWorker } from '../../src/runtime/worker.ts'
import type { Scorer } from '../../src/scoring/scorer.ts'
import { HandClock } from '../support/clocks.ts'
import { commitFailed, type HandMember, HandRecords } from './hand-records.ts'
import { prepared, record, START_MS, scorer, valuesOf, Watch } from './support.ts'

// A worker on records whose every move the test makes.

async function joined(by: Scorer = scorer()) {
  const records = new HandRecords()
  const watch = new Watch()
  const clock = new HandClock(START_MS)
  const options = { prepared: prepared(by), records, group: 'g', clock }
  const worker = startWorker({ ...options, observer: watch.observer })
  return { worker, watch, clock, member: await records.member() }
}

const amounts = (outputs: readonly NewRecord[]) => valuesOf(outputs, 'amount')

/** The next commit, answered with success. */
async function committed(member: HandMember) {
  const { commit, succeed } = await member.nextCommit()
  succeed()
  return commit
}

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

  test('and came back starts anew: chunks of the older assignment are worthless', async () => {
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

  test('pauses a partition with 4 MiB on their way, and resumes it at 2 MiB', async () => {
    const { member, clock } = await joined()
    member.assign(1)
    give(member, 1, [0])
    const first = await member.nextCommit()
    give(member, 1, [1, 2])
    expect(member.calls).toEqual([])
    give(member, 1, [3])
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
    give(member, 1, [1, 2, 3, 4])
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
