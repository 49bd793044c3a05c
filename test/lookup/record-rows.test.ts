import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CurrentRows } from '../../src/lookup/current-rows.ts'
import type { RecordId } from '../../src/lookup/record-order.ts'
import { RecordRows } from '../../src/lookup/record-rows.ts'
import { VersionedRows } from '../../src/lookup/versioned-rows.ts'
import { HASH } from '../support/hash.ts'
import { runs } from '../support/runs.ts'

/** A record of a table's topic; `row` is `null` in a tombstone. */
interface Given {
  readonly record: string
  readonly row: { readonly key: string; readonly timeMs: number } | null
  readonly by: RecordId
}

const KINDS = [
  { hasKey: false, hasTimes: false },
  { hasKey: false, hasTimes: true },
  { hasKey: true, hasTimes: false },
  { hasKey: true, hasTimes: true },
]
type Kind = (typeof KINDS)[number]
const RECORDS = ['r1', 'r2', 'r3', 'ü']
const ROWS = ['a', 'b', 'c']
const LAST_MS = 160
const TIMES_MS = Array.from({ length: 24 }, (_, i) => i * 7)

/** Records in the order in which they were written, to more partitions after a while. */
const history = fc
  .array(
    fc.record({
      record: fc.constantFrom(...RECORDS),
      row: fc.option(fc.record({ key: fc.constantFrom(...ROWS), timeMs: fc.nat(LAST_MS) }), {
        freq: 4,
      }),
      moved: fc.boolean(),
      laterMs: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 50 },
  )
  .map((all) => {
    const ends = new Map<number, number>()
    let timestampMs = 0
    return all.map(({ record, row, moved, laterMs }): Given => {
      const own = RECORDS.indexOf(record)
      const partition = moved ? own + 4 : own % 2
      const offset = ends.get(partition) ?? 0
      ends.set(partition, offset + 1)
      timestampMs += laterMs
      return { record, row, by: { partition, offset, timestampMs } }
    })
  })

function rowsOf({ hasKey, hasTimes }: Kind) {
  const counts = { found: 0, absent: 0, early: 0 }
  const make = (bytes: Buffer) => bytes.toString('utf8')
  const rows = hasTimes
    ? new VersionedRows(make, counts)
    : new CurrentRows({ make, hash: HASH }, counts)
  const all = new RecordRows({ key: hasKey ? () => '' : null }, rows)
  const apply = ({ record, row, by }: Given) => {
    if (row === null) return all.remove(record, by)
    const value = Buffer.from(textOf(by))
    const timeMs = hasTimes ? row.timeMs : 0
    all.put(record, { key: hasKey ? row.key : record, timeMs, value }, by)
  }
  return { all, apply }
}

const textOf = ({ partition, offset }: RecordId) => `${partition}@${offset}`

/** The row of a key at a time, by all records that were written up to then. */
function naive(
  given: readonly Given[],
  kind: Kind,
  { key, atMs }: { readonly key: string; readonly atMs: number },
): string | null {
  // Written later is later, in any partition.
  const last = new Map(given.map((one) => [one.record, one]))
  const live = kind.hasKey ? [...last.values()] : given
  const own = live.filter(({ record, row }) => (kind.hasKey ? row?.key : record) === key)
  if (!kind.hasTimes) {
    const newest = given.findLast((one) => own.includes(one))
    return newest?.row ? textOf(newest.by) : null
  }
  const timeOf = ({ row, by }: Given) => row?.timeMs ?? by.timestampMs
  const holding = own.filter((one) => timeOf(one) <= atMs)
  const latestMs = Math.max(...holding.map(timeOf))
  const newest = given.findLast((one) => holding.includes(one) && timeOf(one) === latestMs)
  return newest?.row ? textOf(newest.by) : null
}

/** The records of each partition in order, the partitions interleaved. */
function interleaved(given: readonly Given[], turns: readonly number[]): Given[] {
  const logs = [...byPartition(given).values()]
  const order: Given[] = []
  for (let i = 0; logs.some((log) => log.length > 0); i++) {
    const left = logs.filter((log) => log.length > 0)
    order.push(left[(turns[i % turns.length] ?? 0) % left.length]?.shift() as Given)
  }
  return order
}

function byPartition(given: readonly Given[]): Map<number, Given[]> {
  const logs = new Map<number, Given[]>()
  for (const one of given) {
    logs.set(one.by.partition, [...(logs.get(one.by.partition) ?? []), one])
  }
  return logs
}

/** The records that compaction leaves: the last one of each key in each partition. */
function compacted(given: readonly Given[]): Given[] {
  const last = new Map(given.map((one) => [`${one.by.partition} ${one.record}`, one]))
  return given.filter((one) => last.get(`${one.by.partition} ${one.record}`) === one)
}

const turns = fc.array(fc.nat(7), { minLength: 1, maxLength: 20 })

test.each(KINDS)(
  'what is followed, what is read anew, and what compaction leaves give the rows that the records say: %j',
  (kind) => {
    fc.assert(
      fc.property(history, fc.tuple(turns, turns), fc.nat(50), (given, of, settledAfter) => {
        const [followed, anew, left] = [rowsOf(kind), rowsOf(kind), rowsOf(kind)]
        for (const [i, one] of given.entries()) {
          if (i === settledAfter) followed.all.endLoad()
          followed.apply(one)
        }
        for (const one of interleaved(given, of[0])) anew.apply(one)
        // A topic whose versions are by time alone must not be compacted.
        const all = kind.hasTimes && !kind.hasKey ? given : compacted(given)
        for (const one of interleaved(all, of[1])) left.apply(one)
        const asked = [...ROWS, ...RECORDS].flatMap((key) =>
          TIMES_MS.map((atMs) => ({ key, atMs })),
        )
        const expected = asked.map((place) => naive(given, kind, place))
        for (const { all: rows } of [followed, anew, left]) {
          expect(asked.map(({ key, atMs }) => rows.get(key, atMs) ?? null)).toEqual(expected)
        }
      }),
      { numRuns: runs(500) },
    )
  },
)

test('the bytes of records that are hidden, and of keys that are gone, are counted, and given back', () => {
  const { all, apply } = rowsOf({ hasKey: true, hasTimes: false })
  const none = all.bytes
  const by = (offset: number) => ({ partition: 0, offset, timestampMs: 0 })
  const row = { key: 'a', timeMs: 0 }
  for (let i = 0; i < 1_000; i++) apply({ record: `record ${i}`, row, by: by(i) })
  expect([all.size, all.bytes - none > 300_000]).toEqual([1, true])
  for (let i = 0; i < 1_000; i++) apply({ record: `record ${i}`, row: null, by: by(1_000 + i) })
  expect([all.size, all.bytes - none > 100_000]).toEqual([0, true])
})

test('of the keys that are gone only the last 10,000 are remembered once all was read', () => {
  const { all, apply } = rowsOf({ hasKey: false, hasTimes: false })
  const by = (offset: number) => ({ partition: 0, offset, timestampMs: 0 })
  for (let i = 0; i < 30_000; i++) apply({ record: `record ${i}`, row: null, by: by(i) })
  const before = all.bytes
  all.endLoad()
  expect(all.bytes).toBeLessThan(before / 2)
})
