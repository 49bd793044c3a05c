import type { RecordSink } from '../connect/port.ts'
import type { System } from '../connect/system.ts'
import type { Format, OutputFormat } from '../formats/format.ts'
import type { KeyedHash } from '../kernel/bytes.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { StoreSource } from '../lookup/store-source.ts'
import type { LoadedTable } from '../lookup/table.ts'
import type { Scorer } from '../scoring/scorer.ts'
import type { StepScorer } from '../scoring/step-scorer.ts'
import type {
  Definition,
  ScoreStep,
  ShadowDefinition,
  StoreDefinition,
} from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'

export interface Prepared {
  readonly topologies: readonly PreparedTopology[]
  /** Score steps with variants. Until one of them is chosen, all of them are loaded. */
  readonly variants: readonly StepVariants[]
  /** For the operator; none of them is an error. */
  readonly notes: readonly string[]
  /** The systems outside, beside the log. @default none */
  readonly systems?: readonly System[]
  /** By the name of sinks outside the log. @default all are in the log */
  readonly sinks?: ReadonlyMap<string, RecordSink> | undefined
  /** Its tables have it already. */
  readonly hash: KeyedHash
  close(): Promise<void>
}

export interface PreparedTopology {
  /** With the topics that are really read and written. */
  readonly definition: Definition
  /** Hash over the topology and its models, for the outputs' `tidemark-by` header. */
  readonly by: string
  /** Hash of what determines its windows: {@link FINGERPRINT_LENGTH} hex digits. */
  readonly fingerprint: string
  readonly format: Format
  /** By name of the sink; all others write JSON. */
  readonly outputs: ReadonlyMap<string, OutputFormat>
  /** By name of the score step. */
  readonly scorers: ReadonlyMap<string, StepScorer>
  /** Only shadows whose models could be loaded. */
  readonly shadows: readonly PreparedShadow[]
  readonly lookup: Lookup
  /** Topologies that declare the same table share it. */
  readonly tables: readonly PreparedTable[]
  readonly stores: readonly PreparedStore[]
}

export const FINGERPRINT_LENGTH = 12

export interface PreparedTable {
  readonly table: LoadedTable
  /** How the records of its topic become rows; `null`: its rows are in a file. */
  readonly format: RowFormat | null
}

export interface PreparedStore {
  readonly definition: StoreDefinition
  readonly source: StoreSource
}

export type RowFormat = Pick<Format, 'prepare' | 'decode'>

export interface PreparedShadow {
  readonly step: ScoreStep
  /** Among the shadows of the step. */
  readonly number: number
  readonly of: ShadowDefinition
  readonly scorer: Scorer
}

export interface StepVariants {
  readonly topology: string
  readonly step: string
  /** The variant that this worker would choose. */
  readonly best: string
  readonly why: string
  /** Who decides: the operator; the first worker of the group; each batch. */
  readonly decides: 'operator' | 'group' | 'batch'
  /** The variants that it was chosen from, a line each. */
  readonly lines: readonly string[]
  /** By name, why variants could not be loaded. */
  readonly failed: ReadonlyMap<string, readonly TidemarkError[]>
}

/** The scorers of a topology's models, each once. */
export function scorersOf({ scorers }: Pick<PreparedTopology, 'scorers'>): Scorer[] {
  return [...new Set([...scorers.values()].flatMap((step) => [...step.scorers.values()]))]
}

/** The given group, or else the names of the topologies joined with `+`. */
export function groupOf(
  group: string | null,
  { topologies }: { readonly topologies: readonly Pick<PreparedTopology, 'definition'>[] },
): string {
  return group ?? topologies.map((t) => t.definition.name).join('+')
}
