import { describe, expect, test } from 'vitest'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { Guarantee } from '../../src/connect/port.ts'
import type { Worker } from '../../src/runtime/worker.ts'
import { committingThrough } from '../connect/committing-through.ts'
import { headerOf } from '../support/headers.ts'
import {
  end,
  GROUP,
  PacelessClock,
  run,
  send,
  settled,
  sums,
  topics,
  worker,
} from './memory-workers.ts'
import { START_MS, type Watch } from './support.ts'

// Workers on records in memory that die, and partitions that move: what comes of it once, and what
// twice.

describe('a chunk that closes more windows than one piece holds, whose worker dies', () => {
  const KEYS = 2_500
  /** Ids of the results, in order, after the n-th commit was cut off and another worker ran. */
  async function diesIn(nth: number, moment: 'before' | 'after', guarantee: Guarantee) {
    const inner = topics(new MemoryRecords({ chunkRecords: 10_000 }))
    send(inner, ...Array.from({ length: KEYS }, (_, i) => [`k${i}`, 0] as const))
    send(inner, ['last', 20_000])
    let commits = 0
    const dies = committingThrough(inner, async (commit, member) => {
      commits++
      if (commits < nth) return member.commit(commit)
      if (moment === 'after') await member.commit(commit)
      inner.crash()
      throw new Error('crashed')
    })
    const options = { guarantee, clock: new PacelessClock(START_MS) }
    await expect(end(dies, [sums('sums')], options)).resolves.toMatchObject({ message: 'crashed' })
    await run(inner, [sums('sums')], options)
    return inner.read('sums').map((r) => headerOf(r, 'tidemark-id'))
  }

  test.each([
    // The first commit claims where the group begins.
    [2, 'before'],
    [2, 'after'],
  ] as const)('in commit %i, %s it: each result is there once', async (nth, moment) => {
    const ids = await diesIn(nth, moment, 'exactly-once')
    expect(ids).toHaveLength(KEYS)
    expect(new Set(ids).size).toBe(KEYS)
  })

  test('at least once has written some of them twice, under the same ids', async () => {
    const ids = await diesIn(3, 'before', 'at-least-once')
    expect(ids.length).toBeGreaterThan(KEYS)
    expect(new Set(ids).size).toBe(KEYS)
  })
})

describe.each(['exactly-once', 'at-least-once'] as const)(
  'commits of what one record makes, %s',
  (guarantee) => {
    const KEYS = ['a', 'b', 'c', 'd']
    /** Every sixth record closes the windows of all keys; all of them are one chunk. */
    const feed = () => {
      const records = topics(new MemoryRecords({ chunkRecords: 1_000 }))
      for (let s = 0; s < 100; s += 2) send(records, [KEYS[s % 4] as string, s * 1_000, s])
      return records
    }
    const options = { guarantee, clock: new PacelessClock(START_MS), maxCommitBytes: 1 }
    const results = (records: MemoryRecords) => records.read('sums').map((r) => String(r.value))

    test('whichever of them the worker dies in, each window comes out as in one run', async () => {
      const whole = feed()
      let commits = 0
      const counted = committingThrough(whole, (commit, member) => {
        commits++
        return member.commit(commit)
      })
      const { worker: one } = await worker(counted, [sums('sums')], options)
      await settled(whole, one)
      await one.stop()
      expect(commits).toBeGreaterThan(8)
      for (let nth = 1; nth <= commits; nth++) {
        for (const moment of ['before', 'after'] as const) {
          const inner = feed()
          let left = nth
          const dies = committingThrough(inner, async (commit, member) => {
            left--
            if (left > 0) return member.commit(commit)
            if (moment === 'after') await member.commit(commit)
            inner.crash()
            throw new Error('crashed')
          })
          await end(dies, [sums('sums')], options)
          await run(inner, [sums('sums')], options)
          expect(results(inner), `died ${moment} commit ${nth}`).toEqual(results(whole))
        }
      }
    })
  },
)

test('partitions that move between workers again and again have each result once', async () => {
  const records = topics(undefined, 4)
  const keys = Array.from({ length: 12 }, (_, i) => `k${i}`)
  const workers: Worker[] = []
  const watches: Watch[] = []
  for (let round = 0; round < 10; round++) {
    const { worker: started, watch } = await worker(records, [sums('sums')])
    workers.push(started)
    await watch.until((w) => w.states.includes('running'))
    send(records, ...keys.map((key) => [key, round * 10_000] as const))
    if (workers.length > 2) await workers.shift()?.stop()
    watches.push(watch)
  }
  await records.settled(GROUP, 'events')
  await Promise.all(workers.map((w) => w.stop()))
  const ids = records.read('sums').map((r) => headerOf(r, 'tidemark-id'))
  // The last two windows of each key are open.
  expect(ids).toHaveLength(keys.length * 8)
  expect(new Set(ids).size).toBe(ids.length)
  expect(watches.flatMap((w) => w.of('assigned')).length).toBeGreaterThan(12)
})
