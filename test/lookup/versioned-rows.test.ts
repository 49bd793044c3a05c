import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { VersionedRows } from '../../src/lookup/versioned-rows.ts'

const rowsOf = () => {
  const counts = { found: 0, absent: 0, early: 0 }
  return { rows: new VersionedRows((bytes) => bytes.toString('utf8'), counts), counts }
}

const KEYS = ['a', 'b', 'ü']
const change = fc.record({
  key: fc.constantFrom(...KEYS),
  timeMs: fc.integer({ min: 0, max: 40 }),
  value: fc.option(fc.string({ unit: 'grapheme', maxLength: 5 }), { freq: 4 }),
})
type Change = typeof change extends fc.Arbitrary<infer C> ? C : never

const changesOf = fc.array(change, { maxLength: 30 })

/** The value of a key at a time: of the latest versions that are not later, the last put. */
function naive(changes: readonly Change[], of: string, atMs: number): string | null {
  const holding = changes.filter(({ key, timeMs }) => key === of && timeMs <= atMs)
  const latestMs = Math.max(...holding.map(({ timeMs }) => timeMs))
  return holding.findLast(({ timeMs }) => timeMs === latestMs)?.value ?? null
}

/** Applies changes as the records of one partition. */
function applying(rows: VersionedRows) {
  let offset = 0
  return ({ key, timeMs, value }: Change) => {
    const by = { partition: 0, offset: offset++, timestampMs: timeMs }
    if (value === null) rows.delete(key, by)
    else rows.put({ key, value: Buffer.from(value), timeMs }, by)
  }
}

test('each event sees the newest version that is not later than itself, in any order of versions', () => {
  fc.assert(
    fc.property(changesOf, changesOf, fc.nat(40), (first, later, oldestMs) => {
      const { rows } = rowsOf()
      const apply = applying(rows)
      const changes = [...first, ...later]
      for (const one of first) apply(one)
      const expectSeen = (fromMs: number) => {
        for (const key of KEYS) {
          for (let atMs = fromMs; atMs <= 41; atMs++) {
            expect(rows.get(key, atMs) ?? null).toBe(naive(changes, key, atMs))
          }
        }
      }
      const before = rows.size
      for (const _ of rows.forget(oldestMs));
      expect(rows.size).toBeLessThanOrEqual(before)
      for (const one of later) apply(one)
      expectSeen(oldestMs)
    }),
  )
})

test('what no event can see any more is dropped, also when it comes later', () => {
  const { rows } = rowsOf()
  const apply = applying(rows)
  for (const timeMs of [1, 2, 3, 9]) apply({ key: 'a', value: String(timeMs), timeMs })
  apply({ key: 'gone', value: 'x', timeMs: 1 })
  apply({ key: 'gone', value: null, timeMs: 2 })
  for (const _ of rows.forget(5));
  expect(rows.size).toBe(3)
  apply({ key: 'a', value: 'too late', timeMs: 2 })
  apply({ key: 'gone', value: 'too late', timeMs: 1 })
  expect([rows.size, rows.get('a', 5), rows.get('a', 9)]).toEqual([3, '3', '9'])
  expect(rows.get('gone', 9)).toBeUndefined()
  rows.withdraw('gone', 2)
  rows.withdraw('a', 3)
  rows.withdraw('a', 9)
  expect([rows.size, rows.bytes]).toEqual([0, 0])
})

test('look-ups are counted: found, absent, and too early for the first version', () => {
  const { rows, counts } = rowsOf()
  const apply = applying(rows)
  apply({ key: 'a', value: 'x', timeMs: 10 })
  apply({ key: 'a', value: null, timeMs: 20 })
  for (const [key, atMs] of [
    ['a', 9],
    ['a', 10],
    ['a', 19],
    ['a', 20],
    ['b', 10],
  ] as const) {
    rows.get(key, atMs)
  }
  expect(counts).toEqual({ found: 2, absent: 2, early: 1 })
})
