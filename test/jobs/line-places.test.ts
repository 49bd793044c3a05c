import { expect, test } from 'vitest'
import { ListedRecords } from '../../src/connect/log-records.ts'
import { LinePlaces } from '../../src/jobs/run-job.ts'

test('a record leads to its line until all of its block is committed', () => {
  const lines = new LinePlaces()
  const add = (partition: number, from: number, places: readonly number[]) => {
    const records = places.map((_, i) => {
      return { offset: from + i, timestampMs: 0, key: null, value: null, headers: [] }
    })
    const block = { partition, places: Float64Array.from(places) }
    lines.add(block, new ListedRecords(records))
  }
  const placeOf = (partition: number, offset: number) => lines.lineAt(partition, offset)?.place
  add(0, 0, [1, 3])
  add(1, 0, [2])
  expect([placeOf(0, 1), placeOf(1, 0)]).toEqual([3, 2])
  lines.forget(0, 1)
  add(0, 2, [4])
  expect([placeOf(0, 1), placeOf(0, 2)]).toEqual([3, 4])
  lines.forget(0, 2)
  lines.forget(0, 2)
  expect([placeOf(0, 2), placeOf(0, 3)]).toEqual([4, undefined])
  lines.forget(0, 3)
  expect(placeOf(0, 2)).toBe(undefined)
})
