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

function apply({ key, timeMs, value }: Change, rows: VersionedRows): void {
  if (value === null) rows.delete(key, timeMs)
  else rows.put(key, Buffer.from(value), timeMs)
}

test('each event sees the newest version that is not later than itself, in any order of versions', () => {
  fc.assert(
    fc.property(changesOf, changesOf, fc.nat(40), (first, later, oldestMs) => {
      const { rows } = rowsOf()
      const changes = [...first, ...later]
      for (const one of first) apply(one, rows)
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
      for (const one of later) apply(one, rows)
      expectSeen(oldestMs)
    }),
  )
})

test('what no event can see any more is dropped, also when it comes later', () => {
  const { rows } = rowsOf()
  for (const timeMs of [1, 2, 3, 9]) rows.put('a', Buffer.from(String(timeMs)), timeMs)
  rows.put('gone', Buffer.from('x'), 1)
  rows.delete('gone', 2)
  for (const _ of rows.forget(5));
  expect(rows.size).toBe(3)
  rows.put('a', Buffer.from('too late'), 2)
  rows.put('gone', Buffer.from('too late'), 1)
  expect([rows.size, rows.get('a', 5), rows.get('a', 9)]).toEqual([3, '3', '9'])
  expect(rows.get('gone', 9)).toBeUndefined()
  rows.withdraw('gone', 2)
  rows.withdraw('a', 3)
  rows.withdraw('a', 9)
  expect([rows.size, rows.bytes]).toEqual([0, 0])
})

test('look-ups are counted: found, absent, and too early for the first version', () => {
  const { rows, counts } = rowsOf()
  rows.put('a', Buffer.from('x'), 10)
  rows.delete('a', 20)
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
