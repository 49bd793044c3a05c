import type { PartSizes } from '../../connect/files/part-files.ts'
import type { Committed } from '../../connect/port.ts'
import type { FieldKinds } from '../../formats/json/shape.ts'
import { loadTopologies } from '../../host/author-files.ts'
import { prepareLoaded } from '../../host/topology-files.ts'
import type { WorkerConfig } from '../../runtime/config.ts'
import type { Outcomes } from '../../runtime/events.ts'
import type { PreparedTopology } from '../../runtime/prepared.ts'
import type { Definition } from '../../topology/definition.ts'
import { withSinksInTopics } from '../../topology/graph.ts'
import type { BatchOptions } from './batch-options.ts'
import { labelFields } from './labels.ts'
import { TrainingRows } from './training-rows.ts'

// A batch over files as its workers get it, and its durable state.

export interface Job {
  /** The file of the topology, or the topology itself, which no other thread can get. */
  readonly topology: string | Definition
  readonly options: BatchOptions
  readonly config: WorkerConfig
  /** How often the state is made durable, ms. @default 5,000 */
  readonly savedEveryMs?: number
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

/** Prepares the topology of a job, with `rows` if it writes training rows. */
export async function prepareJob({ topology: given, options, config }: Omit<Job, 'identity'>) {
  const isLoaded = typeof given !== 'string'
  const loaded = isLoaded ? { definitions: [given], faults: [] } : await loadTopologies([given])
  const [definition] = loaded.definitions
  const rows = definition && options.rows ? new TrainingRows(definition, keptFields(options)) : null
  const definitions = rows ? [rows.definition] : loaded.definitions.map(withSinksInTopics)
  const choices = { values: 'json', systems: 'later' } as const
  const prepared = await prepareLoaded({ ...loaded, definitions }, config, choices)
  const [topology] = prepared.topologies as [PreparedTopology]
  return { prepared, topology, rows }
}

/** The fields of the event that rows have: those asked for, and the one that labels are found by. */
function keptFields({ with: fields, labelBy }: BatchOptions): string[] {
  return [...new Set([...fields, ...(labelBy === undefined ? [] : [labelFields(labelBy).field])])]
}
