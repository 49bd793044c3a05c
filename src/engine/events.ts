import type { Events } from '../columns/events.ts'
import type { ScoredBy } from '../formats/json/known-values.ts'
import type { OutputEncoder } from '../formats/json/output-encoder.ts'
import type { ScoredRows } from '../formats/json/segments.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { ScoreStep, SinkStep } from '../topology/definition.ts'
import type { Reused } from '../topology/reuse.ts'

// Input and output of the engine for one chunk. An event is identified by its index in the chunk.

/** Decoded events of one partition in log order. */
export interface EventBatch {
  readonly count: number
  /** Numbers from the engine's `keyNumbers`. */
  readonly keys: ArrayLike<number>
  readonly timesMs: Float64Array
  /** The records' own Kafka timestamps. */
  readonly recordTimesMs: Float64Array
  readonly events: Events
}

/** A result of a tumbling window. */
export interface WindowResult {
  readonly key: string
  /** Valid until the engine has processed the batch. */
  readonly keyNumber: number
  readonly startMs: number
  readonly endMs: number
  /** False: an early result, made when an event entered the window. */
  readonly isFinal: boolean
  /** The event of the chunk that closed or entered the window; `null`: time passed without one. */
  readonly cause: number | null
  /** For the steps that follow. */
  readonly event: Readonly<Record<string, unknown>>
}

export const NO_EVENTS: ReadonlySet<number> = new Set()

/** Events on their way through the steps. */
export interface FlowBatch extends Omit<EventBatch, 'recordTimesMs'> {
  /** The events of this batch, in order. The columns are by index; `count` is above all of them. */
  readonly indices: readonly number[]
  /** The events before the last map: an encoder may write a value from their columns. */
  readonly source: Events
  /** The watermark after each event arrived. */
  readonly watermarksMs: Float64Array
  /** Events that a step found late and passed on. */
  readonly late: ReadonlySet<number>
  /** `null`: these are the chunk's own events. */
  readonly windows: readonly WindowResult[] | null
  /** `null`: no features step is before it. */
  readonly features: FeatureMatrix | null
  readonly degraded: Degraded
}

/** Events whose rows stores have not given, by index, and why: `profiles=deadline`. */
export type Degraded = ReadonlyMap<number, string>
export const NONE_DEGRADED: Degraded = new Map()

/** The features of a batch, by index of the event. */
export interface FeatureMatrix {
  /** Name of the step that has computed the last of them. */
  readonly step: string
  readonly names: readonly string[]
  /** Row-major float32[count, names]. */
  readonly rows: Float32Array
  /** Whether all numbers of the batch's rows are finite. */
  readonly areFinite: boolean
  /** Row-major float64[count, exact]: features that a model carries or others need, not rounded. */
  readonly exact: Float64Array
  /** `null`: the features look nothing up. */
  readonly foundRows: FoundRows | null
}

/** Rows of tables that events have found. */
export interface FoundRows {
  /** Names of the look-ups. */
  readonly names: readonly string[]
  /** Row-major [count, names], by index of the event; `undefined`: none was found. */
  readonly rows: readonly unknown[]
  /** `null`: none of them is in a store. */
  readonly degraded: Degraded | null
}

/** The rows that an event has found, as functions behind see them. */
export function foundBy(index: number, { names, rows, degraded }: FoundRows) {
  const base = index * names.length
  const lookup = Object.fromEntries(names.map((name, n) => [name, rows[base + n]]))
  return degraded === null ? { lookup } : { lookup, degraded: degraded.has(index) }
}

type Sent = 'indices' | 'windows' | 'events' | 'late' | 'degraded' | 'timesMs'

/** Events that have reached a model or a sink, in order; `late` has others too. */
export interface ReadyBatch extends Pick<FlowBatch, Sent> {
  readonly step: ScoreStep | SinkStep
  /** At a model. @default it is at a sink */
  readonly model?: ModelBatch
  /** Passes the events through the steps behind. @param scores `null` at a sink */
  pass(scores: StepScores | null): Passed
}

/** Input of a model and of the functions behind it, by row. */
export interface ModelBatch {
  /** Row-major float32[indices, features], in the order of the score step. */
  readonly rows: Float32Array
  /** The number of the rule that holds; the number of rules: none does. @default it has no rules */
  readonly routes?: Uint8Array
  /** Row-major float64[indices, carry], not rounded. */
  readonly carried: Float64Array
  /** Scores that are in rows of a table: no model is asked. @default models score its events */
  readonly reused?: { readonly scores: StepScores; readonly by: ScoredBy }
  /** Asks the models; `null`: the partition was lost meanwhile. */
  ask(): Promise<StepScores | null>
  /** The argument of the function after the model, of a row that has a score. */
  read(row: number, scores: StepScores): ScoredEvent
}

interface ScoredEvent {
  readonly event: unknown
  readonly features: Readonly<Record<string, number>>
  readonly score: Readonly<Record<string, number | Record<string, number>>>
  readonly model: string
  readonly route: string
  /** `null`: a model has scored it. @default the step reuses none */
  readonly reuse?: Reused | null
}

/** The answer of a step's models. */
export interface StepScores {
  /** One number a row for each of the step's outputs; NaN for one with a fault. */
  readonly columns: readonly Float64Array[]
  /** The decision about each row. */
  readonly decided: Uint8Array
  /** Why rows have no score: `SCORE_FAILED` or `SCORE_NOT_FINITE`. */
  readonly faults: ReadonlyMap<number, TidemarkError>
  /** How long the longest of its models ran, ms, without the time that rows queued. */
  readonly runMs: number
}

/** Where the events of a {@link ReadyBatch} have come to. */
export interface Passed {
  readonly sinks: readonly SinkBatch[]
  /** The events' columns, for encoders; `null`: there are none. */
  readonly columns: ScoredRows | null
  /** Why an event came to no sink; `null`: nothing is wrong with it. */
  faultOf(index: number): EngineFault | null
  /** By shadow of the score step. @default it has none */
  readonly shadows?: readonly ShadowRows[]
}

/** Events that go on to a shadow, by row. */
export interface ShadowRows {
  readonly rows: readonly number[]
  /** How many others lack a feature that only the shadow's model needs. */
  readonly unfit: number
}

/** Events at a sink, in order. */
export interface SinkBatch {
  readonly sink: OpenSink
  readonly indices: readonly number[]
  /** By index. An event that the sink's encoder can write may not be there. */
  readonly events: Events
}

export interface OpenSink {
  readonly step: SinkStep
  /** Writes a value straight from columns, by number of the decision; `null`: nothing can. */
  readonly encoderOf: ((decision: number) => OutputEncoder) | null
}

/** Why an event or a window's result is not processed further. */
export interface EngineFault {
  readonly of: number | WindowResult
  readonly step: string
  readonly error: TidemarkError
}

export interface LateEvents {
  readonly step: string
  readonly indices: readonly number[]
}

/** The engine's results for one chunk. */
export interface EngineResult {
  /** Without those that were yielded before. */
  readonly ready: readonly ReadyBatch[]
  readonly faults: readonly EngineFault[]
  readonly late: readonly LateEvents[]
  readonly duplicates: readonly number[]
  /** Events that entered a tumbling window. */
  readonly windowed: readonly number[]
  /** Number of windows that closed, by step. */
  readonly closed: ReadonlyMap<string, number>
  /** ms since the epoch, after the last event; −Infinity before the first. */
  readonly watermarkMs: number
}
