import type { Events } from '../columns/events.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { ScoreStep, SinkStep } from '../topology/definition.ts'

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
export interface Flow {
  /** Above all indices. */
  readonly count: number
  /** The events of this flow, in order. The columns below are by index. */
  readonly indices: readonly number[]
  readonly events: Events
  readonly keys: ArrayLike<number>
  readonly timesMs: Float64Array
  /** The watermark after each event arrived. */
  readonly watermarksMs: Float64Array
  /** Events that a step found late and passed on. */
  readonly late: ReadonlySet<number>
  /** `null`: these are the chunk's own events. */
  readonly windows: readonly WindowResult[] | null
}

/** Events that reached a model, with their rows, or a sink. In order. */
export interface Arrivals {
  readonly step: ScoreStep | SinkStep
  /** Indices in the chunk, or in `windows`. */
  readonly indices: readonly number[]
  readonly windows: readonly WindowResult[] | null
  /** By index. */
  readonly events: Events
  /** Events behind the watermark, also others than those of `indices`. */
  readonly late: ReadonlySet<number>
  /** Row-major float32[indices, features] in the step's order; empty for a sink. */
  readonly rows: Float32Array
  /**
   * By row: the number of the rule that holds; the number of rules: none does.
   * @default the step has no rules
   */
  readonly routes?: Uint8Array
  /** By shadow: the rows of events whose keys are in its share. @default it has none */
  readonly shadowed?: readonly (readonly number[])[]
  /** Row-major float64[indices, carry], not rounded. @default none */
  readonly carried?: Float64Array
  /** @default the features look nothing up */
  readonly found?: FoundRows
}

/** Rows of tables that events have found. */
export interface FoundRows {
  /** Names of the look-ups. */
  readonly names: readonly string[]
  /** Row-major [indices, names]; `undefined`: none was found. */
  readonly rows: readonly unknown[]
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
  /** Without those in earlier pieces. */
  readonly arrivals: readonly Arrivals[]
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
