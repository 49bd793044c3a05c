import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Compression } from '../kernel/compression.ts'
import type { Partitioner } from '../kernel/partitioners.ts'
import type { StatedAccuracy } from './accuracy.ts'
import type { Aggregate } from './aggregates/table.ts'
import type { LatencyBudget } from './latency-budgets.ts'
import type { RegisteredFormat } from './sink-format.ts'
import type { SourceFormat } from './source-format.ts'
import type { SourceRecord } from './source-record.ts'

// A topology as frozen data: the result of an author's builder calls, and all that the engine and
// the runtime read. Here the author's functions take `unknown` events; the builder's types have
// already checked that they fit.

/** Marks a topology, also one made by another copy of this package, where `instanceof` fails. */
export const TOPOLOGY = Symbol.for('tidemark.topology')

/** A function of the author's that reads an event. */
export type EventFunction<R> = (event: unknown) => R
/** A function of the author's that reads an event, and its record if it takes one. */
export type RecordFunction<R> = (event: unknown, record: SourceRecord) => R
/** The value of a column for one event. */
export type Cell = number | string | boolean

/** A whole topology. */
export interface Definition {
  readonly [TOPOLOGY]: true
  readonly name: string
  /** Version of the code and data that its functions capture or call; `null`: not given. */
  readonly version: string | null
  readonly source: SourceDefinition
  /** Logical name of the dead-letter topic: the source's name plus `.dlq`. */
  readonly deadLetterTopic: string
  readonly tables: readonly TableDefinition[]
  /** The steps directly after the source. */
  readonly then: readonly Step[]
}

/** What happens to late events: see `SourceOptions.onLate`. */
export type OnLate = 'dead-letter' | 'drop' | 'score'
/** What happens to events in the wrong partition: see `SourceOptions.keyMismatch`. */
export type KeyMismatch = 'warn' | 'dead-letter' | 'allow'
/** What happens to records without a value: see `SourceOptions.onTombstone`. */
export type OnTombstone = 'dead-letter' | 'skip' | ((key: string, record: SourceRecord) => unknown)

/** The source of a topology. */
export interface SourceDefinition {
  readonly topic: string
  readonly format: SourceFormat
  readonly schema: StandardSchemaV1
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
  /** The producers' partitioner; `null`: the author has not set it. */
  readonly partitioner: Partitioner | 'unknown' | null
  readonly keyMismatch: KeyMismatch
  /** Names of the headers that outputs get from their record. @default those of a trace only */
  readonly passHeaders?: readonly string[]
}

/** A lookup table. */
export interface TableDefinition {
  readonly name: string
  readonly schema: StandardSchemaV1
  readonly format: SourceFormat
  /** `null`: the key of the record. */
  readonly key: ((row: unknown) => string) | null
  /** From when a row holds, ms since the epoch; `null`: only the newest row of a key is kept. */
  readonly asOf: ((row: unknown) => number) | null
  readonly from: TableOrigin
}

/** Where the rows of a table are. */
type TableOrigin =
  | { readonly file: URL; readonly topic?: never }
  | { readonly topic: string; readonly file?: never }

/**
 * A step of a topology. Its name is unique in the topology and does not change when other steps
 * change.
 */
export type Step =
  | WhereStep
  | MapStep
  | DedupeStep
  | FeaturesStep
  | ScoreStep
  | TumblingStep
  | SinkStep

interface StepBase {
  readonly name: string
}
/** Passes on the events for which `keep` is true. */
export interface WhereStep extends StepBase {
  readonly op: 'where'
  readonly keep: EventFunction<boolean>
  /**
   * Of a branch: what `keep` is made of. None of the conditions of the branches before it may hold,
   * and its own must; `is` is `null` for `rest`.
   */
  readonly branch?: {
    readonly noneOf: readonly EventFunction<boolean>[]
    readonly is: EventFunction<boolean> | null
  }
  readonly then: readonly Step[]
}
/** Replaces each event. */
export interface MapStep extends StepBase {
  readonly op: 'map'
  readonly to: EventFunction<unknown>
  readonly then: readonly Step[]
}
/** Leaves out events whose id has come before. */
export interface DedupeStep extends StepBase {
  readonly op: 'dedupe'
  /** The id of an event, among those of its key. */
  readonly by: EventFunction<string>
  /** How far apart in event time two events of one id are no duplicates any more. */
  readonly withinMs: number
  readonly then: readonly Step[]
}
/** Computes the features of each event. */
export interface FeaturesStep extends StepBase {
  readonly op: 'features'
  readonly kinds: readonly KindDefinition[]
  /** In the author's order. Each model reads them in its own order. */
  readonly features: readonly FeatureDefinition[]
  /** `where` steps, and the score steps after them. */
  readonly then: readonly Step[]
}
/** Scores each event with one of its models. */
export interface ScoreStep extends StepBase, LatencyBudget {
  readonly op: 'score'
  /** What may score an event, by name: at least one. */
  readonly models: Readonly<Record<string, ScoringModel>>
  /** The columns of a row: the features that the models take together. */
  readonly features: readonly string[]
  /** The outputs that all models have, in the order of the first one's. */
  readonly outputs: Readonly<Record<string, OutputShape>>
  /** The first rule that holds decides; empty: `otherwise` scores every event. */
  readonly routes: readonly RouteDefinition[]
  /** The model that scores an event for which no rule holds. */
  readonly otherwise: string
  /** `null`: an event that its model cannot score is a dead letter. */
  readonly fallback: FallbackDefinition | null
  /** Models that are only watched. */
  readonly shadows: readonly ShadowDefinition[]
  /**
   * The models are variants, of which one is chosen when a worker starts; `null`: they are not.
   * There are no routes then.
   */
  readonly variants: VariantsDefinition | null
  /** Whether NaN features are passed to the models. */
  readonly missing: 'refuse' | 'nan'
  /** Features that no model takes, for functions after it. @default none */
  readonly carry?: readonly string[]
  readonly then: readonly Step[]
}
/** Which events a model gets: those for which both conditions hold. */
export interface RouteDefinition {
  /** Unique among the rules of the step. */
  readonly name: string
  /** The model's name. */
  readonly to: string
  /** `null`: every event. */
  readonly when: RouteCondition | null
  /** Share of the keys, 0 to 1 in steps of 1/10,000; `null`: every key. */
  readonly share: number | null
}
/** Whether a rule holds, by the event, its features, and its event time, ms since the epoch. */
export type RouteCondition = (
  event: unknown,
  features: Readonly<Record<string, number>>,
  eventTimeMs: number,
) => boolean
/** What scores an event that its own model cannot score. */
interface FallbackDefinition {
  /** The model's name. */
  readonly to: string
  /** `budget`: also an event that would wait longer than the latency budget. */
  readonly on: readonly 'budget'[]
}
/** A model whose scores are only compared with those that are published. */
export interface ShadowDefinition {
  /** The model's name. */
  readonly model: string
  /** Where its scores go; `null`: nowhere. */
  readonly sink: ShadowSink | null
  /** Share of the keys, 0 to 1 in steps of 1/10,000. */
  readonly share: number
}
/** The topic of a shadow's scores. */
export interface ShadowSink {
  /** As the author calls it, also if the topic is another one; ids of outputs have it. */
  readonly name: string
  readonly topic: string
}
/** How one of several models is chosen. */
interface VariantsDefinition {
  /** Their names, which must be different, in the author's order. */
  readonly names: readonly string[]
  /** The worst accuracy that a variant may state to be chosen; `null`: any. */
  readonly minAccuracy: number | null
  /** Is one chosen for each batch, by what is waiting? */
  readonly adapt: boolean
}
/** Aggregates the events of each key in tumbling windows; what follows reads the results. */
export interface TumblingStep extends StepBase {
  readonly op: 'tumbling'
  readonly lengthMs: number
  readonly graceMs: number
  /** `early`: also a result for each event that enters a window. */
  readonly emit: 'final' | 'early'
  readonly columns: Readonly<Record<string, EventFunction<Cell>>>
  readonly aggregates: Readonly<Record<string, Aggregate>>
  readonly then: readonly Step[]
}
/** Writes each event to a topic. */
export interface SinkStep extends StepBase {
  readonly op: 'sink'
  readonly topic: string
  /** `null`: the key of the input record, or of the tumbling window. */
  readonly key: EventFunction<string> | null
  /** @default JSON */
  readonly format?: RegisteredFormat
  /** Headers of each output. @default only Tidemark's own, and those that are passed on */
  readonly headers?: EventFunction<Readonly<Record<string, string | Buffer | null>>>
  /** How the topic's batches are compressed. @default as the operator says */
  readonly compression?: Compression
}

/** Events of one kind, with the columns that windows aggregate. */
export interface KindDefinition {
  /** `null`: every event. */
  readonly is: EventFunction<boolean> | null
  /**
   * Only events that have a value in this column, which is then the only one; `null`, `undefined`
   * and NaN count as missing.
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
      /** A missing value becomes NaN. Without this, its event is a dead letter. */
      readonly missing?: 'nan'
    }
  | {
      readonly from: 'rolling'
      readonly kind: number
      readonly lengthMs: number
      readonly aggregate: Aggregate
    }
  /** Seconds since the previous event in a rolling window; `empty` if there is none. */
  | {
      readonly from: 'sinceLast'
      readonly kind: number
      readonly lengthMs: number
      readonly empty: number
    }
  /** Seconds since the previous event, however long ago; `never` if there is none. */
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
      /** As functions after the model name the row. @default the table's name */
      readonly as?: string
    }
  | {
      readonly from: 'tumbling'
      readonly kind: number
      readonly which: 'lastClosed' | 'current'
      readonly lengthMs: number
      readonly aggregate: Aggregate
    }
/** A feature: its name, and where its number comes from. */
export type FeatureDefinition = { readonly name: string } & FeatureSource

/**
 * Where an output of a model is: in one column of a tensor (index from 0), or in all its columns,
 * with their names in order.
 */
export type OutputDefinition =
  | { readonly tensor: string; readonly column: number; readonly columns?: never }
  | { readonly tensor: string; readonly columns: readonly string[]; readonly column?: never }

/** The form of an output: one number, or one for each named column. */
export interface OutputShape {
  readonly columns?: readonly string[]
}

/** What can score events. */
export type ScoringModel = ModelDefinition | RuleDefinition

/** A declared ONNX model. */
export interface ModelDefinition {
  readonly name: string
  readonly version: string
  readonly file: URL
  /** SHA-256 that the file must have, in lower-case hex. */
  readonly sha256: string
  /** Name of the only input tensor, float32[N, features]. */
  readonly input: string
  readonly features: readonly string[]
  /** By their names in the topology. */
  readonly outputs: Readonly<Record<string, OutputDefinition>>
  /** A file of rows with their expected outputs, checked at start. */
  readonly golden?: URL
  /** As its author states it. @default not stated */
  readonly accuracy?: StatedAccuracy
}

/** A model that is a function of the author's. */
export interface RuleDefinition {
  readonly version: string
  /** The names of its outputs. */
  readonly outputs: readonly string[]
  /** Computes the outputs by name, from the features by name. */
  readonly of: (features: Readonly<Record<string, number>>) => Readonly<Record<string, number>>
}

/** Is the model a function of the author's? */
export function isRule(model: ScoringModel): model is RuleDefinition {
  return 'of' in model
}

/** Is it an ONNX model? */
export function isTrained(model: ScoringModel): model is ModelDefinition {
  return !isRule(model)
}

/** The form of each output of a model, by name. */
export function outputsOf(model: ScoringModel): Readonly<Record<string, OutputShape>> {
  return isRule(model) ? Object.fromEntries(model.outputs.map((o) => [o, {}])) : model.outputs
}

/** All steps from here on, each step before those that follow it. */
export function* stepsOf(then: readonly Step[]): Generator<Step> {
  for (const step of then) {
    yield step
    if (step.op !== 'sink') yield* stepsOf(step.then)
  }
}

/** The score steps from here on, in the order of {@link stepsOf}. */
export function scoreStepsOf(then: readonly Step[]): ScoreStep[] {
  return [...stepsOf(then)].filter((step) => step.op === 'score')
}

/** The name of the first step with windows, or else of the first sink: it accounts for records. */
export function decisiveStep({ then }: Definition): string {
  const steps = [...stepsOf(then)]
  const keeps = steps.find((s) => s.op === 'features' || s.op === 'tumbling')
  return (keeps ?? steps.find((s) => s.op === 'sink'))?.name ?? ''
}

/** The sinks from here on, those of shadows as well. */
export function sinksOf(then: readonly Step[]): (SinkStep | ShadowSink)[] {
  return [...stepsOf(then)].flatMap((step): (SinkStep | ShadowSink)[] => {
    if (step.op === 'sink') return [step]
    return step.op === 'score' ? step.shadows.flatMap(({ sink }) => sink ?? []) : []
  })
}

/** The topics that a topology writes, the dead-letter topic last. */
export function outputTopics({ then, deadLetterTopic }: Definition): string[] {
  return [...new Set(sinksOf(then).map(({ topic }) => topic)), deadLetterTopic]
}

/** The topics that the tables of a topology are read from. */
export function tableTopics({ tables }: Definition): string[] {
  return [...new Set(tables.flatMap(({ from }) => from.topic ?? []))]
}

/**
 * The same topology with other topics: replaces each logical name that is in the map. Step names do
 * not change.
 */
export function withTopics(
  definition: Definition,
  actual: ReadonlyMap<string, string>,
): Definition {
  const rename = (topic: string) => actual.get(topic) ?? topic
  const renamed = (step: Step): Step => {
    if (step.op === 'sink') return { ...step, topic: rename(step.topic) }
    if (step.op !== 'score') return step
    const shadows = step.shadows.map(({ sink, ...shadow }) => {
      return { ...shadow, sink: sink && { ...sink, topic: rename(sink.topic) } }
    })
    return { ...step, shadows }
  }
  return {
    ...definition,
    source: { ...definition.source, topic: rename(definition.source.topic) },
    deadLetterTopic: rename(definition.deadLetterTopic),
    tables: definition.tables.map((table) =>
      table.from.topic === undefined
        ? table
        : { ...table, from: { topic: rename(table.from.topic) } },
    ),
    then: changed(definition.then, renamed),
  }
}

/** Steps and all that follow them, each changed. */
export function changed(then: readonly Step[], change: (step: Step) => Step): Step[] {
  return then.map((before) => {
    const step = change(before)
    return step.op === 'sink' ? step : { ...step, then: changed(step.then, change) }
  })
}

/** The same topology with another `maxAhead`, ms. */
export function withMaxAhead(definition: Definition, maxAheadMs: number | 'none'): Definition {
  const { source } = definition
  const watermark = { ...source.watermark, maxAheadMs }
  return { ...definition, source: { ...source, watermark } }
}

/**
 * The same topology with JSON values in place of those whose schemas are in a registry; values in
 * any other format stay what they are.
 */
export function withJsonValues(definition: Definition): Definition {
  const { source, tables } = definition
  return { ...definition, source: inJson(source), tables: tables.map(inJson) }

  function inJson<T extends { readonly format: SourceFormat }>(of: T): T {
    return of.format.is === 'registry' ? { ...of, format: { is: 'json' } } : of
  }
}

/** Whether a value is a topology, also of another copy of this package. */
export function isDefinition(value: unknown): value is Definition {
  return typeof value === 'object' && value !== null && TOPOLOGY in value
}
