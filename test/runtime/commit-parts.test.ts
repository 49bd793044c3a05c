import { describe, expect, test } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { amounts, committed, joined } from './hand-worker.ts'
import { record, scorer } from './support.ts'

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
    // What follows begins where it ended.
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
