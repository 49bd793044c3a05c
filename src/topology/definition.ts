import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Partitioner } from '../kernel/partitioners.ts'
import type { Aggregate } from './aggregates/table.ts'
import type { LatencyBudget } from './latency-budgets.ts'

// A topology as frozen data: what an author's builder calls come to, and all that the engine and
// the runtime read. Author functions appear with `unknown` events here; the builder's types have
// made sure that they fit.

/** Marks a topology across copies of this package, where `instanceof` would fail. */
export const TOPOLOGY = Symbol.for('tidemark.topology')

export type EventFunction<R> = (event: unknown) => R
export type Cell = number | string | boolean

export interface Definition {
  readonly [TOPOLOGY]: true
  readonly name: string
  /** Of what its functions capture or call, by its author; `null`: not said. */
  readonly version: string | null
  readonly source: SourceDefinition
  /** Logical name of the dead-letter topic: the source's with `.dlq`. */
  readonly deadLetterTopic: string
  readonly tables: readonly TableDefinition[]
  /** What follows the source. */
  readonly then: readonly Step[]
}

export type OnLate = 'dead-letter' | 'drop' | 'score'
export type KeyMismatch = 'warn' | 'dead-letter' | 'allow'

export interface SourceDefinition {
  readonly topic: string
  readonly schema: StandardSchemaV1
  readonly key: EventFunction<string>
  readonly eventTimeMs: EventFunction<number>
  readonly watermark: {
    readonly lagMs: number
    readonly idleAfterMs: number | null
    readonly maxAheadMs: number | 'none'
  }
  readonly onLate: OnLate
  /** By which rule producers place keys; `null`: the author has not said. */
  readonly partitioner: Partitioner | 'unknown' | null
  readonly keyMismatch: KeyMismatch
}

export interface TableDefinition {
  readonly name: string
  readonly schema: StandardSchemaV1
  readonly key: (row: unknown) => string
  readonly file: URL
}

/** A step has a name that is unique in its topology and does not change when a neighbour does. */
export type Step = WhereStep | MapStep | FeaturesStep | ScoreStep | TumblingStep | SinkStep

interface StepBase {
  readonly name: string
}
export interface WhereStep extends StepBase {
  readonly op: 'where'
  readonly keep: EventFunction<boolean>
  /**
   * What a branch's `keep` is made of: the conditions before it, of which none holds, and its own;
   * `null` for the rest.
   */
  readonly branch?: {
    readonly noneOf: readonly EventFunction<boolean>[]
    readonly is: EventFunction<boolean> | null
  }
  readonly then: readonly Step[]
}
export interface MapStep extends StepBase {
  readonly op: 'map'
  readonly to: EventFunction<unknown>
  readonly then: readonly Step[]
}
export interface FeaturesStep extends StepBase {
  readonly op: 'features'
  readonly kinds: readonly KindDefinition[]
  /** In the author's order; each model reads them in its own. */
  readonly features: readonly FeatureDefinition[]
  /** `where` steps and the models behind them. */
  readonly then: readonly Step[]
}
export interface ScoreStep extends StepBase, LatencyBudget {
  readonly op: 'score'
  readonly model: ModelDefinition
  /** May a NaN feature reach the model? */
  readonly missing: 'refuse' | 'nan'
  readonly then: readonly Step[]
}
export interface TumblingStep extends StepBase {
  readonly op: 'tumbling'
  readonly lengthMs: number
  readonly graceMs: number
  /** `early`: also a result for each event that enters. */
  readonly emit: 'final' | 'early'
  readonly columns: Readonly<Record<string, EventFunction<Cell>>>
  readonly aggregates: Readonly<Record<string, Aggregate>>
  readonly then: readonly Step[]
}
export interface SinkStep extends StepBase {
  readonly op: 'sink'
  readonly topic: string
  /** `null`: the source's key. */
  readonly key: EventFunction<string> | null
}

/** Events of one kind and the columns that windows aggregate. */
export interface KindDefinition {
  /** `null`: every event. */
  readonly is: EventFunction<boolean> | null
  /**
   * Only events that have this column, the only one: what is `null`, `undefined` or NaN is missing.
   */
  readonly has?: string
  readonly columns: Readonly<Record<string, EventFunction<Cell>>>
}

/** Where one feature's number comes from. `kind` indexes {@link FeaturesStep.kinds}. */
export type FeatureSource =
  | {
      readonly from: 'value'
      readonly kind: number
      readonly of: EventFunction<number>
      /** What is missing is NaN; else it is no number, and its event is set aside. */
      readonly missing?: 'nan'
    }
  | {
      readonly from: 'rolling'
      readonly kind: number
      readonly lengthMs: number
      readonly aggregate: Aggregate
    }
  /** Seconds since the newest earlier event in a rolling window; `empty` when there is none. */
  | {
      readonly from: 'sinceLast'
      readonly kind: number
      readonly lengthMs: number
      readonly empty: number
    }
  /** The same, however long ago. */
  | {
      readonly from: 'sinceLastEver'
      readonly kind: number
      readonly capMs: number | null
      readonly never: number
    }
  | {
      readonly from: 'lookup'
      readonly kind: number
      readonly table: string
      readonly key: EventFunction<string | null>
      readonly of: (row: unknown) => number
    }
  | {
      readonly from: 'tumbling'
      readonly kind: number
      readonly which: 'lastClosed' | 'current'
      readonly lengthMs: number
      readonly aggregate: Aggregate
    }
export type FeatureDefinition = { readonly name: string } & FeatureSource

/**
 * Where an output of a model is: in one column of a tensor, counted from 0, or in all its columns,
 * named in their order.
 */
export type OutputDefinition =
  | { readonly tensor: string; readonly column: number; readonly columns?: never }
  | { readonly tensor: string; readonly columns: readonly string[]; readonly column?: never }

export interface ModelDefinition {
  readonly name: string
  readonly version: string
  readonly file: URL
  /** Lower-case hex; the file must have it. */
  readonly sha256: string
  /** Name of the one input tensor, float32[N, features]. */
  readonly input: string
  readonly features: readonly string[]
  /** By the name a topology reads them by. */
  readonly outputs: Readonly<Record<string, OutputDefinition>>
  /** Rows and the outputs they must give, checked at start. */
  readonly golden?: URL
}

/** Every step of a topology, a step before what follows it. */
export function* stepsOf(then: readonly Step[]): Generator<Step> {
  for (const step of then) {
    yield step
    if (step.op !== 'sink') yield* stepsOf(step.then)
  }
}

/** The first step that keeps windows, or else writes: by it is told what became of records. */
export function decisiveStep({ then }: Definition): string {
  const steps = [...stepsOf(then)]
  const keeps = steps.find((s) => s.op === 'features' || s.op === 'tumbling')
  return (keeps ?? steps.find((s) => s.op === 'sink'))?.name ?? ''
}

/** The topics a topology writes, dead letters last. */
export function outputTopics(definition: Definition): string[] {
  const sinks = [...stepsOf(definition.then)].filter((s) => s.op === 'sink')
  return [...new Set(sinks.map((s) => s.topic)), definition.deadLetterTopic]
}

/**
 * The same topology over other topics: each logical name in the map is replaced, step names stay.
 */
export function withTopics(
  definition: Definition,
  actual: ReadonlyMap<string, string>,
): Definition {
  const rename = (topic: string) => actual.get(topic) ?? topic
  const renameSteps = (then: readonly Step[]): Step[] =>
    then.map((step) =>
      step.op === 'sink'
        ? { ...step, topic: rename(step.topic) }
        : { ...step, then: renameSteps(step.then) },
    )
  return {
    ...definition,
    source: { ...definition.source, topic: rename(definition.source.topic) },
    deadLetterTopic: rename(definition.deadLetterTopic),
    then: renameSteps(definition.then),
  }
}

/** The same topology with another future guard. */
export function withMaxAhead(definition: Definition, maxAheadMs: number | 'none'): Definition {
  const { source } = definition
  const watermark = { ...source.watermark, maxAheadMs }
  return { ...definition, source: { ...source, watermark } }
}

export function isDefinition(value: unknown): value is Definition {
  return typeof value === 'object' && value !== null && TOPOLOGY in value
}
