import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Histories } from '../../../src/engine/store/histories.ts'
import { runs } from '../../support/runs.ts'
import { rounded, SMALL, Windowed } from '../windowed.ts'

const SALE = { amount: 1, shop: 'a', refund: false }

/** Mostly ahead in time, sometimes out of order; now and then something is pruned. */
const moves = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: fc.record({ aheadMs: fc.integer({ min: 0, max: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ aheadMs: fc.integer({ min: -40, max: -1 }) }) },
    { weight: 1, arbitrary: fc.record({ keepMs: fc.integer({ min: 0, max: 400 }) }) },
  ),
  { minLength: 1, maxLength: 800, size: 'max' },
)

describe.each([
  ['in blocks of 4', SMALL],
  ['in blocks as they are', undefined],
])('a history %s, against a plain sorted list', (_, sizes) => {
  test('holds as many events, with the same first, last and latest times', () => {
    fc.assert(
      fc.property(moves, (all) => {
        const windowed = new Windowed([1_000], undefined, sizes)
        const { history } = windowed
        let newestMs = 1_000
        let prunedMs = Number.NEGATIVE_INFINITY
        const odd: unknown[] = []
        for (const move of all) {
          if ('aheadMs' in move) {
            const timeMs = newestMs + move.aheadMs
            newestMs = Math.max(newestMs, timeMs)
            const latestMs = windowed.plain.findLast((e) => e.timeMs <= timeMs)?.timeMs
            const found = history.latestUpTo(timeMs)
            if (found !== (latestMs ?? Number.NEGATIVE_INFINITY)) odd.push([found, latestMs])
            windowed.insert({ ...SALE, timeMs })
          } else {
            const cutMs = newestMs - move.keepMs
            const gone = windowed.plain.findLast((e) => e.timeMs <= cutMs)
            prunedMs = Math.max(prunedMs, gone?.timeMs ?? prunedMs)
            windowed.prune(cutMs)
          }
          const { plain } = windowed
          const expected = {
            size: plain.length,
            oldestMs: plain[0]?.timeMs ?? Number.POSITIVE_INFINITY,
            newestMs: plain.at(-1)?.timeMs ?? prunedMs,
            newestPrunedMs: prunedMs,
          }
          const { size, newestMs: newest, newestPrunedMs, older } = history
          const first = history.end > history.start ? history.timeAt(history.start) : Infinity
          const oldestMs = older?.oldestMs ?? first
          const got = { size, oldestMs, newestMs: newest, newestPrunedMs }
          if (JSON.stringify(got) !== JSON.stringify(expected)) odd.push([got, expected])
        }
        expect(odd).toEqual([])
      }),
      { numRuns: runs(60) },
    )
  })

  test('gives back every text and all room when its events are gone', () => {
    const windowed = new Windowed([1_000], undefined, sizes)
    const { history, columns } = windowed
    const { slabs, texts } = columns.layout
    const shops = Array.from({ length: 50 }, (_shop, i) => `shop ${i}`)
    let after = 0
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 3_000; i++) {
        // One of five is up to 500 ms behind.
        const timeMs = round * 10_000 + i - (i % 5 === 0 ? (i * 7) % 500 : 0) + 500
        windowed.insert({ ...SALE, timeMs, shop: shops[(i * i) % 50] ?? '' })
        if (i % 100 === 0) windowed.writeRange(-Infinity, Infinity)
      }
      expect(slabs.bytes).toBeGreaterThan(3_000 * 4 * 8)
      windowed.prune(round * 10_000 + 5_000)
      expect([history.size, history.older]).toEqual([0, null])
      expect(slabs.bytes).toBeLessThan(10_000)
      if (round === 1) after = slabs.bytes
    }
    expect(slabs.bytes).toBe(after)
    // The numbers of all 50 texts are free again.
    const ids = shops.map((shop) => texts[0]?.dictionary.numberOf(shop) ?? 0)
    expect(Math.max(...ids)).toBeLessThan(50)
  })
})

test('a key that is evicted gives back all its room', () => {
  const { columns } = new Windowed([100])
  const { layout } = columns
  const { slabs } = layout
  const histories = new Histories(layout)
  const before = slabs.bytes
  const history = histories.begin(1)
  for (let i = 0; i < 10_000; i++) {
    columns.read([{ ...SALE, timeMs: i }], 0)
    history.insert(i, columns.hold())
  }
  history.prune(10_000)
  histories.evict(true)
  expect(slabs.bytes).toBe(before)
})

test('events of equal time stand in the order they came, also across blocks', () => {
  const windowed = new Windowed([100], undefined, SMALL)
  for (let i = 0; i < 200; i++) {
    windowed.insert({ timeMs: 50 + (i % 3), amount: i, shop: `${i % 7}`, refund: i % 2 === 0 })
  }
  for (const upToMs of [49, 50, 51, 52]) {
    for (const afterMs of [49, 50, 51]) {
      const row = windowed.writeRange(afterMs, upToMs)
      expect(rounded(row)).toEqual(rounded(windowed.naiveRange(afterMs, upToMs)))
    }
  }
})

test('a window that slides over thousands of events takes the room of those it holds', () => {
  const windowed = new Windowed([100])
  for (let i = 0; i < 20_000; i++) {
    windowed.prune(i - 100)
    windowed.insert({ ...SALE, timeMs: i })
  }
  expect(windowed.history.size).toBe(100)
  expect(windowed.history.older).toBeNull()
  expect(windowed.columns.layout.slabs.bytes).toBeLessThan(14_000)
})
