import type { Observer } from '../runtime/events.ts'
import { byType } from './by-type.ts'
import type { MetricMaker } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

const OUTCOMES = ['found', 'absent', 'early'] as const

/** Metrics of the tables. */
export function tableMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const known = [...new Set(watched.flatMap(({ tables }) => tables))].map((table) => ({ table }))
  const each = { labelNames: ['table'], known } as const
  const rows = make.gauge('table_rows', {
    help: 'Rows of a table, with asOf versions of rows',
    ...each,
  })
  const bytes = make.gauge('table_bytes', { help: 'Approximate memory of a table', ...each })
  const lag = make.gauge('table_lag_records', {
    help: "Records of a table's topic that are not applied yet",
    ...each,
  })
  const updates = make.counter('table_records_total', {
    help: "Records of a table's topic, or rows of its file, that were read",
    ...each,
  })
  const invalid = make.counter('table_invalid_records_total', {
    help: "Invalid records of a table's topic",
    ...each,
  })
  const heldUp = make.gauge('table_held_up', {
    help: '1 while a table cannot be kept up to date',
    ...each,
  })
  const lookups = make.counter('table_lookups_total', {
    help: 'Look-ups by outcome; early: the first version of the key is later than the event',
    labelNames: ['table', 'outcome'],
    known: known.flatMap((of) => OUTCOMES.map((outcome) => ({ ...of, outcome }))),
  })
  return byType({
    'table-read': ({ table, ...read }) => {
      rows.set({ table }, read.rows)
      bytes.set({ table }, read.bytes)
      lag.set({ table }, read.lag)
      updates.inc({ table }, read.records)
    },
    'table-row-invalid': ({ table }) => invalid.inc({ table }),
    'table-held-up': ({ table, reason }) => heldUp.set({ table }, reason === null ? 0 : 1),
    'looked-up': ({ table, ...counts }) => {
      for (const outcome of OUTCOMES) lookups.inc({ table, outcome }, counts[outcome])
    },
  })
}
