import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import type { MemoryRecords } from '../../../src/connect/memory/memory-records.ts'
import type { Followed } from '../../../src/connect/port.ts'
import { TablePositions } from '../../../src/jobs/replay/table-positions.ts'
import { following } from '../../runtime/tables/following-table.ts'

const TOPIC = { table: 'merchants', topic: 'merchants' }

/** The log of two partitions, in chunks of three records. */
function logOf(records: MemoryRecords, isCompacted = false, removed = -1) {
  const ranges = new Map<number, { nextOffset: number; endOffset: number }>()
  const chunks = [0, 1].flatMap((partition) => {
    const all = records.read('merchants', partition)
    const place = { topic: 'merchants', partition, epoch: 0, endOffset: all.length }
    ranges.set(partition, { nextOffset: 0, endOffset: all.length })
    const kept = all.filter(({ offset }) => offset !== removed)
    return Array.from({ length: Math.ceil(kept.length / 3) }, (_, i) => {
      const part = new ListedRecords(kept.slice(i * 3, (i + 1) * 3))
      return { ...place, records: part, nextOffset: (i + 1) * 3 }
    })
  })
  return { ...TOPIC, ranges, chunks, isCompacted }
}

const change = fc.record({
  partition: fc.constantFrom(0, 1),
  key: fc.constantFrom('a', 'b', 'c'),
  risk: fc.option(fc.integer({ min: 0, max: 99 })),
})
const position = fc.tuple(fc.nat({ max: 12 }), fc.nat({ max: 12 }))

const at = (ends: readonly number[]) => `merchants=${ends.join()}`

test('a table has the rows of each position that it is set to, forwards and back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 20 }),
      fc.array(position, { minLength: 1, maxLength: 6 }),
      async (changes, places) => {
        const given: { positions: TablePositions | null } = { positions: null }
        const follow = (_: MemoryRecords, options: Parameters<TablePositions['follow']>[0]) =>
          given.positions?.follow(options) as Promise<Followed>
        const { records, of, put, riskOf, table } = following({ follow })
        for (const { partition, key, risk } of changes) put(`${key}${partition}`, risk, partition)
        const positions = new TablePositions([logOf(records)])
        given.positions = positions
        positions.text = at(places[0] ?? [])
        const running = of.run()
        await of.loaded
        for (const ends of places) {
          if (positions.text !== at(ends)) await positions.set(at(ends))
          const within = ends.map((end, p) => Math.min(end, records.read('merchants', p).length))
          expect(table.contents).toBe(String(within))
          for (const partition of [0, 1]) {
            const seen = changes
              .filter((one) => one.partition === partition)
              .slice(0, within[partition])
            for (const key of ['a', 'b', 'c']) {
              const last = seen.findLast((one) => one.key === key)
              expect(riskOf(`${key}${partition}`)).toBe(last?.risk ?? undefined)
            }
          }
        }
        of.stop()
        void running
      },
    ),
  )
})

test('an older position has fewer records before it', () => {
  const { records, put } = following()
  for (let i = 0; i < 9; i++) put(`m-${i}`, i, i % 2)
  const positions = new TablePositions([logOf(records)])
  const all = ['merchants=1,0', 'merchants=2,1', 'merchants=3,1', 'merchants=4,4', 'merchants=9,9']
  expect(all.map((text) => positions.recordsBefore(text))).toEqual([1, 3, 4, 8, 9])
})

test('a table is incomplete if its topic was compacted, or lost its first records', () => {
  const { records, put } = following()
  for (let i = 0; i < 9; i++) put(`m-${i}`, i, i % 2)
  const incomplete = (log: ReturnType<typeof logOf>) => new TablePositions([log]).incomplete
  expect(incomplete(logOf(records, true))).toEqual([])
  expect(incomplete(logOf(records, false, 2))).toEqual([])
  expect(incomplete(logOf(records, true, 2))).toEqual(['merchants'])
  const trimmed = logOf(records)
  trimmed.ranges.set(1, { nextOffset: 1, endOffset: 4 })
  expect(incomplete(trimmed)).toEqual(['merchants'])
})
