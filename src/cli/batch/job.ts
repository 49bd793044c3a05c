import type { PartSizes } from '../../connect/files/part-files.ts'
import type { Committed } from '../../connect/port.ts'
import type { FieldKinds } from '../../formats/json/shape.ts'
import type { Outcomes } from '../../runtime/events.ts'
import type { PreparedTopology } from '../../runtime/prepared.ts'
import { withSinksInTopics } from '../../topology/graph.ts'
import { prepareFiles } from '../prepared.ts'
import { configOf, type Values } from '../settings.ts'
import { type LabelFlags, labelFields } from './labels.ts'
import { TrainingRows } from './training-rows.ts'

// A batch over files: its flags, and its durable state.

/** The flags of a batch over files. */
export interface BatchFlags extends LabelFlags, Record<string, unknown> {
  readonly input: readonly string[]
  readonly output: string
  readonly format: 'ndjson' | 'parquet'
  /** @default snappy */
  readonly compression?: 'snappy' | 'zstd'
  readonly order: 'files' | 'time'
  readonly partitions: number
  readonly partitionColumn?: string
  readonly offsetColumn?: string
  readonly partitionBy?: string
  readonly table?: ReadonlyMap<string, string>
  readonly overwrite: boolean
  readonly resume: boolean
  /** percent */
  readonly failAbove?: number
  /** Training rows instead of outputs. */
  readonly rows: boolean
  readonly with: readonly string[]
}

/** The batch as each of its workers gets it. */
export interface Job {
  readonly file: string
  readonly flags: BatchFlags
  readonly config: Values
  readonly workers: number
  /** How often the state is made durable, ms. */
  readonly savedEveryMs: number
  /** A hash of all that determines the output: an interrupted run continues only with the same. */
  readonly identity: string
}

/** The durable state of a partition. */
export interface SavedPartition extends Committed {
  readonly outcomes: Outcomes
  /** Whether all its records are committed, and its windows closed. */
  readonly isWhole: boolean
}

/** The durable state of a worker. */
export interface Saved {
  readonly identity: string
  readonly partitions: Readonly<Record<string, SavedPartition>>
  readonly sizes: PartSizes
  /** By folder, the columns of its outputs. */
  readonly kinds: Readonly<Record<string, FieldKinds>>
}

/** Loads the topology of a job, with `rows` if it writes training rows. */
export async function prepareJob({ file, flags, config }: Pick<Job, 'file' | 'flags' | 'config'>) {
  let rows: TrainingRows | null = null
  const prepared = await prepareFiles([file], configOf(config), {
    values: 'json',
    systems: 'later',
    as: (definition) => {
      rows = flags.rows ? new TrainingRows(definition, keptFields(flags)) : null
      return rows?.definition ?? withSinksInTopics(definition)
    },
  })
  const [topology] = prepared.topologies as [PreparedTopology]
  return { prepared, topology, rows: rows as TrainingRows | null }
}

/** The fields of the event that rows have: those asked for, and the one that labels are found by. */
function keptFields({ with: fields, labelBy }: BatchFlags): string[] {
  return [...new Set([...fields, ...(labelBy === undefined ? [] : [labelFields(labelBy).field])])]
}
