import { Readable } from 'node:stream'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { feedRows } from '../../src/jobs/table-rows.ts'
import { following } from '../runtime/tables/following-table.ts'
import { at } from '../runtime/tables/merchants.ts'
import { runs } from '../support/runs.ts'

/** A line of a table's file; without a risk it is a tombstone. */
interface RowLine {
  /** The key of its record; `null`: it has none. */
  readonly record: string | null
  readonly id: string
  readonly second: number
  readonly risk: number | null
}

const IDS = ['a', 'b', 'c']
const lineOf = ({ record, id, second, risk }: RowLine) =>
  (record === null ? '' : `${record}\t`) +
  (risk === null ? '' : JSON.stringify({ id, risk, sinceMs: at(second) }))

const DECLARED: readonly { hasKey: boolean; records: (string | null)[] }[] = [
  { hasKey: true, records: [null] },
  { hasKey: true, records: ['r1', 'r2', 'r3', 'r4'] },
  { hasKey: false, records: IDS },
]

/** The risk at a time: of the versions that hold, the last line of the latest. */
function naive(
  lines: readonly RowLine[],
  hasKey: boolean,
  { id, second }: Pick<RowLine, 'id' | 'second'>,
) {
  let rowSecond = Number.NEGATIVE_INFINITY
  const timed = lines.map((line) => {
    if (line.risk !== null) rowSecond = line.second
    return { ...line, second: rowSecond }
  })
  const isLast = ({ record }: RowLine, i: number) =>
    record === null || timed.findLastIndex((line) => line.record === record) === i
  // A record key that names a version takes it back; else it is the key, and the row ends.
  const live = hasKey ? timed.filter(isLast).filter(({ risk }) => risk !== null) : timed
  const own = live.filter((line) => (hasKey ? line.id : line.record) === id)
  const holding = own.filter((line) => line.second <= second)
  const latest = Math.max(...holding.map((line) => line.second))
  return holding.findLast((line) => line.second === latest)?.risk ?? undefined
}

test.each(DECLARED)(
  'every version in a file of rows as of a time is seen, and tombstones end or take back theirs: %j',
  async ({ hasKey, records }) => {
    const line = fc.record({
      record: fc.constantFrom(...records),
      id: fc.constantFrom(...IDS),
      second: fc.nat(20),
      risk: records.includes(null) ? fc.nat(9) : fc.option(fc.nat(9), { freq: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (lines) => {
        const {
          declared,
          records: log,
          table,
          of,
        } = following({
          partitions: 3,
          key: hasKey ? (row) => (row as { id: string }).id : null,
          asOf: (row) => (row as { sinceMs: number }).sinceMs,
        })
        await feedRows(declared, Readable.from([Buffer.from(lines.map(lineOf).join('\n'))]), log)
        const running = of.run()
        await of.loaded
        for (const id of IDS) {
          for (let second = 0; second <= 20; second++) {
            const row = table.get(id, at(second)) as { risk: number } | undefined
            expect(row?.risk).toBe(naive(lines, hasKey, { id, second }))
          }
        }
        of.stop()
        await running
      }),
      { numRuns: runs(50) },
    )
  },
)
