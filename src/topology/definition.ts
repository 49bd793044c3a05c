import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Compression, Partitioner } from '../kernel/kafka.ts'
import type { Aggregate } from './aggregates.ts'
import type { OutputShape, ScoringModel } from './models.ts'
import type { ReuseDefinition } from './reuse.ts'
import type { LatencyBudget, RouteWhen } from './score-options.ts'
import type { RegisteredFormat } from './sink-format.ts'
import type { Formatted, KeyMismatch, OnLate, OnTombstone, SourceRecord } from './source.ts'
import type { KeyedRows, OwnRows, SystemSink } from './store.ts'

// A topology as frozen data, made by an author's builder calls. Its functions take `unknown`
// events: the builder's types have checked that they fit.

/** Marks a topology, also of another copy of this package, where `instanceof` fails. */
export const TOPOLOGY = Symbol.for('tidemark.topology')

export type EventFunction<R> = (event: unknown) => R
export type RecordFunction<R> = (event: unknown, record: SourceRecord) => R
export type Cell = number | string | boolean

export interface Definition {
  readonly [TOPOLOGY]: true
  readonly name: string
  /** {@link TopologyOptions.version}; `null`: not given. */
  readonly version: string | null
  readonly source: SourceDefinition
  readonly deadLetterTopic: string
  readonly tables: readonly TableDefinition[]
  readonly stores: readonly StoreDefinition[]
  readonly then: readonly Step[]
}

export interface SourceDefinition extends Formatted<StandardSchemaV1> {
  readonly topic: string
  readonly key: RecordFunction<string>
  /** `record`: the record's own timestamp. */
  readonly eventTimeMs: RecordFunction<number> | 'record'
  readonly watermark: {
    readonly lagMs: number
    readonly idleAfterMs: number | null
    readonly maxAheadMs: number | 'none'
  }
  readonly onLate: OnLate
  readonly onTombstone: OnTombstone
  /** `null`: the author has not set it. */
  readonly partitioner: Partitioner | 'unknown' | null
  readonly keyMismatch: KeyMismatch
  readonly passHeaders?: readonly string[]
}

export interface TableDefinition extends Formatted<StandardSchemaV1> {
  readonly name: string
  readonly key: ((row: unknown) => string) | null
  /** From when a row holds, ms since the epoch; `null`: only the newest row of a key is kept. */
  readonly asOf: ((row: unknown) => number) | null
  readonly from: TableOrigin
}

type TableOrigin =
  | { readonly file: URL; readonly topic?: never }
  | { readonly topic: string; readonly file?: never }

/** See {@link StoreOptions}. */
export interface StoreDefinition {
  readonly name: string
  readonly schema: StandardSchemaV1
  readonly from: KeyedRows | OwnRows<unknown>
  readonly freshMs: number
  readonly staleMs: number
  readonly maxEntries: number
  readonly deadlineMs: number
  readonly at: ((row: unknown) => number) | null
  readonly maxAgeMs: number
  readonly onMiss: ((key: string, missing: readonly string[]) => unknown) | null
  /** `null`: nothing is written back. */
  readonly writeBackMs: number | null
  readonly fallback: object | null
}

/** A step. Its name is unique in the topology, and stays when other steps change. */
export type Step =
  | WhereStep
  | MapStep
  | DedupeStep
  | FeaturesStep
  | DeriveStep
  | ScoreStep
  | TumblingStep
  | SinkStep

export type Op = Step['op']
export type StepOf<O extends Op> = Extract<Step, { readonly op: O }>

interface LastStep {
  readonly name: string
}
interface StepBase extends LastStep {
  readonly then: readonly Step[]
}
/** A condition; the features are there only behind a features step. */
export type FeatureCondition = (
  event: unknown,
  features: Readonly<Record<string, number>>,
) => boolean

export interface WhereStep extends StepBase {
  readonly op: 'where'
  /** `null`: the branch `rest`, which has no condition of its own. */
  readonly keep: FeatureCondition | null
  /** Set for a branch: the conditions of those before it, of which none may hold. */
  readonly noneOf?: readonly FeatureCondition[]
}
export interface MapStep extends StepBase {
  readonly op: 'map'
  readonly to: EventFunction<unknown>
}
/** Leaves out duplicates: see {@link Stream.dedupe}. */
export interface DedupeStep extends StepBase {
  readonly op: 'dedupe'
  readonly by: EventFunction<string>
  readonly withinMs: number
}
export interface FeaturesStep extends StepBase {
  readonly op: 'features'
  readonly kinds: readonly KindDefinition[]
  /** In the author's order. */
  readonly features: readonly FeatureDefinition[]
}
/** Computes features from those before it. */
export interface DeriveStep extends StepBase {
  readonly op: 'derive'
  readonly derived: Readonly<Record<string, DerivedFeature>>
  /** Features that are left out behind it. */
  readonly drop: readonly string[]
}
/** The features are not rounded. */
export type DerivedFeature = (features: Readonly<Record<string, number>>) => number
export interface ScoreStep extends StepBase, LatencyBudget {
  readonly op: 'score'
  /** By name; at least one. */
  readonly models: Readonly<Record<string, ScoringModel>>
  /** The columns of a row: the features that the models take together. */
  readonly features: readonly string[]
  /** The outputs that all models have, in the order of the first one's. */
  readonly outputs: Readonly<Record<string, OutputShape>>
  /** The first rule that holds decides; empty: `otherwise` scores every event. */
  readonly routes: readonly RouteDefinition[]
  readonly otherwise: string
  /** `null`: an event that its model cannot score is a dead letter. */
  readonly fallback: FallbackDefinition | null
  readonly shadows: readonly ShadowDefinition[]
  /** `null`: every event is scored by a model. */
  readonly reuse: ReuseDefinition | null
  /** Set if a worker chooses one of the models when it starts: then there are no routes. */
  readonly variants: VariantsDefinition | null
  readonly missing: 'refuse' | 'nan'
  readonly carry?: readonly string[]
}
/** A rule for the events of a model: both conditions must hold. `null`: it always does. */
export interface RouteDefinition {
  readonly name: string
  readonly to: string
  readonly when: RouteCondition | null
  readonly share: number | null
}
export type RouteCondition = RouteWhen<unknown, string>
/** {@link SeveralModels.fallback} and {@link SeveralModels.fallbackOn}. */
interface FallbackDefinition {
  readonly to: string
  readonly on: readonly 'budget'[]
}
export interface ShadowDefinition {
  readonly model: string
  /** `null`: its scores go nowhere. */
  readonly sink: ShadowSink | null
  readonly share: number
}
export interface ShadowSink {
  /** The author's name of the topic, which ids of outputs have. */
  readonly name: string
  readonly topic: string
}
/** See {@link ModelVariants}. */
interface VariantsDefinition {
  /** Different names, in the author's order. */
  readonly names: readonly string[]
  /** `null`: any. */
  readonly minAccuracy: number | null
  readonly adapt: boolean
}
/** A tumbling window emits results once it has closed, or also for each event that enters it. */
export type Emit = 'final' | 'early'
/** Aggregates the events of each key in tumbling windows; the steps behind read the results. */
export interface TumblingStep extends StepBase {
  readonly op: 'tumbling'
  readonly lengthMs: number
  readonly graceMs: number
  readonly emit: Emit
  readonly columns: Readonly<Record<string, EventFunction<Cell>>>
  readonly aggregates: Readonly<Record<string, Aggregate>>
}
export interface SinkStep extends LastStep {
  readonly op: 'sink'
  /** The name of a sink in a system outside. */
  readonly topic: string
  /** The system outside that it writes to, and the options for its connector. @default a topic */
  readonly system?: Pick<SystemSink<string, unknown>, 'connector' | 'options'>
  /** `null`: the key of the input record, or of the tumbling window. */
  readonly key: EventFunction<string> | null
  readonly format?: RegisteredFormat
  readonly headers?: EventFunction<Readonly<Record<string, string | Buffer | null>>>
  readonly compression?: Compression
}

export interface KindDefinition {
  /** `null`: every event. */
  readonly is: EventFunction<boolean> | null
  /** The only column: events without a value, or with NaN, are left out. */
  readonly has?: string
  /** A column that must be true. @default any event */
  readonly where?: {
    readonly column: string
    readonly of: EventFunction<unknown>
    /** Whether an event without a value is left out. */
    readonly isOptional: boolean
  }
  readonly columns: Readonly<Record<string, EventFunction<Cell>>>
}

/** The way from a column's value to a feature. @default the number itself */
export type ValueForm = { readonly column: string } & (
  | { readonly is: 'code'; readonly words: readonly string[]; readonly unknown: number }
  | { readonly is: 'hourOfDay' | 'dayOfWeek'; readonly offsetMs: number }
)

/** The origin of a feature's number. `kind` indexes {@link FeaturesStep.kinds}. */
export type FeatureSource = { readonly kind: number } & (
  | {
      readonly from: 'value'
      readonly of: EventFunction<number>
      /** A missing value becomes NaN. Without this, its event is a dead letter. */
      readonly missing?: 'nan'
      readonly form?: ValueForm
    }
  | {
      readonly from: 'rolling'
      readonly lengthMs: number
      /** Without the event itself. */
      readonly before?: true
      readonly aggregate: Aggregate
    }
  /** Seconds since the previous event in a rolling window; `empty` if there is none. */
  | {
      readonly from: 'sinceLast'
      readonly lengthMs: number
      readonly empty: number
    }
  /** Seconds since the previous event, however long ago; `never` if there is none. */
  | {
      readonly from: 'sinceLastEver'
      readonly capMs: number | null
      readonly never: number
    }
  | {
      readonly from: 'lookup'
      readonly table: string
      readonly key: EventFunction<string | null>
      readonly of: (row: unknown) => number
      readonly as?: string
    }
  | {
      readonly from: 'tumbling'
      readonly which: 'lastClosed' | 'current'
      readonly lengthMs: number
      readonly aggregate: Aggregate
    }
)
export type FeatureDefinition = { readonly name: string } & FeatureSource

export function isDefinition(value: unknown): value is Definition {
  return typeof value === 'object' && value !== null && TOPOLOGY in value
}
