import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  blockOf,
  endOfBlock,
  isWithin,
  MOST_BLOCK_BYTES,
  type OffsetRange,
  packBlock,
  rangesBefore,
  type SkippedBlock,
  unpackBlock,
  withOffset,
} from '../../../src/runtime/commit/skipped-records.ts'
import { thrownIn } from '../../support/thrown.ts'

const PLACE = { topic: 'g.t.checkpoint', partition: 2 }

function written(verdict: SkippedBlock) {
  return { ...packBlock(verdict), offset: 9, timestampMs: -1, headers: [] }
}

function reading(key: string, value: string | null) {
  const buffers = { key: Buffer.from(key), value: value === null ? null : Buffer.from(value) }
  return () => unpackBlock({ ...buffers, offset: 9, timestampMs: -1, headers: [] }, PLACE)
}

test('a verdict is read as it was written, under the key of its block', () => {
  const verdict = { block: 3, topicId: 'abc', unknown: [[3_072, 3_075] as const] }
  expect(String(written(verdict).key)).toBe('schema/3')
  expect(String(written(verdict).value)).toBe('{"v":1,"topicId":"abc","unknown":[[3072,3075]]}')
  expect(unpackBlock(written(verdict), PLACE)).toEqual(verdict)
})

test('one on no record is a tombstone', () => {
  const verdict = { block: 3, topicId: null, unknown: [] }
  expect(written(verdict).value).toBeNull()
  expect(unpackBlock(written(verdict), PLACE)).toEqual(verdict)
})

test('the largest, on every other record at the end of the longest log, is within its limit', () => {
  const block = blockOf(Number.MAX_SAFE_INTEGER) - 1
  const unknown: OffsetRange[] = []
  for (let offset = block * 1_024; offset < endOfBlock(block); offset += 2)
    unknown.push([offset, offset])
  const { key, value } = written({ block, topicId: 'x'.repeat(22), unknown })
  expect(unknown.length).toBe(512)
  expect((key?.length ?? 0) + (value?.length ?? 0)).toBeLessThan(MOST_BLOCK_BYTES)
})

test.each(['step/3', 'schema/', 'schema/x', ''])('a record with the key "%s" is none', (key) => {
  expect(reading(key, '{}')()).toBeNull()
})

test.each([
  'not JSON',
  'null',
  '{"v":2,"topicId":null,"unknown":[]}',
  '{"v":1,"topicId":7,"unknown":[]}',
  '{"v":1,"topicId":null}',
  '{"v":1,"topicId":null,"unknown":[[1]]}',
  '{"v":1,"topicId":null,"unknown":[[2,1]]}',
  '{"v":1,"topicId":null,"unknown":[[1.5,2]]}',
])('%s is refused rather than guessed at', (value) => {
  expect(thrownIn(reading('schema/3', value))).toMatchObject({
    code: 'VERDICT_INVALID',
    where: 'g.t.checkpoint-2@9',
  })
})

const offsets = fc.uniqueArray(fc.nat(60)).map((all) => all.toSorted((a, b) => a - b))

const rangesOf = (all: readonly number[]) =>
  all.reduce<readonly OffsetRange[]>(withOffset, [] as OffsetRange[])

test('ranges hold the offsets that were added and no others, up to any end', () => {
  const property = fc.property(offsets, fc.nat(70), (all, end) => {
    const ranges = rangesBefore(rangesOf(all), end)
    const within = Array.from({ length: 70 }, (_, i) => i).filter((i) => isWithin(ranges, i))
    expect(within).toEqual(all.filter((offset) => offset < end))
  })
  fc.assert(property)
})

test('offsets that follow each other are one range', () => {
  expect(rangesOf([3, 4, 5, 7, 9, 10])).toEqual([
    [3, 5],
    [7, 7],
    [9, 10],
  ])
})
