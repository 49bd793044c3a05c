import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { RowBytes } from '../../src/lookup/row-bytes.ts'
import { HASH } from '../support/hash.ts'
import { runs } from '../support/runs.ts'

const change = fc.record({
  key: fc.oneof(fc.integer({ min: 0, max: 30 }).map(String), fc.string({ unit: 'grapheme' })),
  bytes: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 200 }) },
    { weight: 1, arbitrary: fc.constantFrom(60_000, 300_000, 2_000_000) },
  ),
  isDelete: fc.boolean(),
})

test('any changes leave what a Map would have, and bytes for little more than that', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 150 }), (changes) => {
      const [rows, map] = [new RowBytes(HASH), new Map<string, Buffer>()]
      for (const [i, { key, bytes, isDelete }] of changes.entries()) {
        const value = Buffer.alloc(isDelete ? 0 : bytes, i)
        for (const of of [rows, map]) {
          if (isDelete) of.delete(key)
          else of.set(key, value)
        }
      }
      expect(rows.size).toBe(map.size)
      for (const { key } of changes) {
        const found = rows.get(key)
        expect(found === null ? undefined : Buffer.compare(found, map.get(key) as Buffer)).toBe(
          map.has(key) ? 0 : undefined,
        )
      }
      const live = [...map.values()].reduce((sum, { length }) => sum + length + 64, 0)
      expect(rows.bytes).toBeLessThan(8 * 2 ** 20 + 3 * live)
    }),
    { numRuns: runs(30) },
  )
})

test('many updates of few keys take no more memory than some pages', () => {
  const rows = new RowBytes(HASH)
  const value = Buffer.alloc(100)
  for (let i = 0; i < 200_000; i++) {
    value.writeUInt32LE(i)
    rows.set(`m-${i % 1_000}`, value)
  }
  expect(rows.size).toBe(1_000)
  expect(rows.bytes).toBeLessThan(4 * 2 ** 20)
  expect(rows.get('m-7')?.readUInt32LE()).toBe(199_007)
})

test('ten thousand keys are found after the index has grown, also when every other one is gone', () => {
  const rows = new RowBytes(HASH)
  for (let i = 0; i < 10_000; i++) rows.set(`key ${i}`, Buffer.from(String(i)))
  for (let i = 0; i < 10_000; i += 2) rows.delete(`key ${i}`)
  expect(rows.size).toBe(5_000)
  for (let i = 0; i < 10_000; i++) {
    expect(rows.get(`key ${i}`)?.toString() ?? null).toBe(i % 2 === 0 ? null : String(i))
  }
})

test('keys are found by the hash that is given', () => {
  const of = vi.spyOn(HASH, 'of')
  const rows = new RowBytes(HASH)
  rows.set('a', Buffer.from('1'))
  const asked = of.mock.calls.length
  expect(asked).toBeGreaterThan(0)
  expect(String(rows.get('a'))).toBe('1')
  expect(of.mock.calls.length).toBeGreaterThan(asked)
})
