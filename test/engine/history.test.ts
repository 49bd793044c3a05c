import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BLOCK,
  History,
  type Layout,
  MAX,
  MIN,
  SQUARES,
  SUM,
  SUMMARY,
} from '../../src/engine/history.ts'
import { Slabs } from '../../src/engine/slabs.ts'

const LAYOUT: Layout = { columns: 2, summed: [1], texts: [], slabs: new Slabs() }

function newHistory(layout: Layout = LAYOUT): History {
  return new History(layout, 'a key', Number.NEGATIVE_INFINITY)
}

/** Enters an event with one value. */
function enter(history: History, timeMs: number, value: number): void {
  history.insert(timeMs, [value])
}

function eventsOf(history: History): { timeMs: number; value: number }[] {
  return Array.from({ length: history.end - history.start }, (_, i) => ({
    timeMs: history.timeAt(history.start + i),
    value: history.data[history.column(1) + history.start + i] as number,
  }))
}

/** Each live sealed block beside what its events come to. */
function sealedBlocks(history: History) {
  const blocks: { kept: number[]; fresh: number[] }[] = []
  for (let block = Math.ceil(history.start / BLOCK); block < history.sealed; block++) {
    const base = history.column(1) + block * BLOCK
    const values = [...history.data.subarray(base, base + BLOCK)]
    const of = (offset: number) => history.summaries?.[block * SUMMARY + offset] as number
    blocks.push({
      kept: [of(SUM), of(SQUARES), of(MIN), of(MAX)],
      fresh: [
        values.reduce((sum, v) => sum + v, 0),
        values.reduce((sum, v) => sum + v * v, 0),
        Math.min(...values),
        Math.max(...values),
      ],
    })
  }
  return blocks
}

/** Mostly ahead in time, sometimes out of order; now and then something is pruned, or blocks are sealed. */
const moves = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: fc.record({ aheadMs: fc.integer({ min: 0, max: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ aheadMs: fc.integer({ min: -40, max: -1 }) }) },
    { weight: 1, arbitrary: fc.record({ keepMs: fc.integer({ min: 0, max: 400 }) }) },
    { weight: 2, arbitrary: fc.record({ seal: fc.constant(true) }) },
  ),
  { minLength: 1, maxLength: 800, size: 'max' },
)

describe('a history against a plain sorted list', () => {
  test('holds the same events in the same order, and its sealed blocks are what their events come to', () => {
    let seals = 0
    fc.assert(
      fc.property(moves, (all) => {
        const history = newHistory()
        let plain: { timeMs: number; value: number }[] = []
        const latest: [found: number, expected: number][] = []
        let newestMs = 1_000
        let prunedMs = Number.NEGATIVE_INFINITY
        for (const [value, move] of all.entries()) {
          if ('aheadMs' in move) {
            const timeMs = newestMs + move.aheadMs
            newestMs = Math.max(newestMs, timeMs)
            const before = plain.filter((e) => e.timeMs <= timeMs)
            latest.push([
              history.latestUpTo(timeMs),
              before.at(-1)?.timeMs ?? Number.NEGATIVE_INFINITY,
            ])
            enter(history, timeMs, value)
            plain = [...before, { timeMs, value }, ...plain.filter((e) => e.timeMs > timeMs)]
          } else if ('keepMs' in move) {
            const floorMs = newestMs - move.keepMs
            const gone = plain.filter((e) => e.timeMs <= floorMs)
            prunedMs = Math.max(prunedMs, ...gone.map((e) => e.timeMs))
            plain = plain.slice(gone.length)
            history.prune(floorMs)
          } else history.seal()
          expect(history.newestPrunedMs).toBe(prunedMs)
        }
        expect(eventsOf(history)).toEqual(plain)
        expect(latest.filter(([found, expected]) => found !== expected)).toEqual([])
        history.seal()
        const blocks = sealedBlocks(history)
        seals += blocks.length
        expect(blocks.map((b) => b.kept)).toEqual(blocks.map((b) => b.fresh))
      }),
      { numRuns: 150 },
    )
    // Else the blocks were never looked at.
    expect(seals).toBeGreaterThan(20)
  })

  test('finds where the events up to a time end', () => {
    const times = fc.array(fc.nat(50), { maxLength: 60 })
    fc.assert(
      fc.property(times, fc.integer({ min: -1, max: 51 }), (all, timeMs) => {
        const history = newHistory()
        for (const time of all) enter(history, time, 0)
        expect(history.after(timeMs)).toBe(all.filter((t) => t <= timeMs).length)
      }),
    )
  })
})

test('events of equal time stand in the order they came', () => {
  const history = newHistory()
  for (const [value, timeMs] of [5, 7, 5, 7, 5].entries()) enter(history, timeMs, value)
  expect(eventsOf(history).map((e) => e.value)).toEqual([0, 2, 4, 1, 3])
})

test('an event between those of a sealed block unseals it and what follows, not what is before', () => {
  const history = newHistory()
  for (let i = 0; i < 4 * BLOCK; i++) enter(history, i * 10, i)
  history.seal()
  expect(history.sealed).toBe(4)
  enter(history, 2 * BLOCK * 10 + 5, 0)
  expect(history.sealed).toBe(2)
})

test('a window that slides over thousands of events takes the room of those it holds', () => {
  const history = newHistory()
  for (let i = 0; i < 20_000; i++) {
    history.prune(i - 100)
    enter(history, i, i)
    history.seal()
  }
  expect(history.end - history.start).toBe(100)
  expect(history.capacity).toBeLessThanOrEqual(256)
  expect(history.summaries?.length).toBeLessThanOrEqual((256 / BLOCK) * SUMMARY)
})

test('without summed columns nothing is sealed', () => {
  const history = newHistory({ columns: 2, summed: [], texts: [], slabs: new Slabs() })
  for (let i = 0; i < 2 * BLOCK; i++) enter(history, i, i)
  history.seal()
  expect([history.sealed, history.summaries]).toEqual([0, null])
})
