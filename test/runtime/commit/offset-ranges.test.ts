import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  isWithin,
  type OffsetRange,
  rangesBefore,
  withOffset,
} from '../../../src/runtime/commit/offset-ranges.ts'

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
