import type { TidemarkError } from '../kernel/errors.ts'
import type { Events } from '../plan/events.ts'
import type { ScoreStep, SinkStep } from '../topology/definition.ts'

// What goes into the engine and what comes out, for the events of one chunk. An event is named by
// its index in the chunk.

/** Decoded events of one partition in log order, as columns. */
export interface EventBatch {
  readonly count: number
  /** Numbers of the engine's `keyNumbers`. */
  readonly keys: ArrayLike<number>
  readonly timesMs: Float64Array
  /** The records' own Kafka timestamps. */
  readonly recordTimesMs: Float64Array
  readonly events: Events
}

/** What a tumbling window comes to. */
export interface WindowResult {
  readonly key: string
  /** Of the key, until the engine has taken the whole batch. */
  readonly keyNumber: number
  readonly startMs: number
  readonly endMs: number
  /** The one result of a window that has closed; else one of an event that has entered it. */
  readonly isFinal: boolean
  /**
   * The event that closed or entered it, by its index in the chunk; `null`: time has passed without
   * an event.
   */
  readonly cause: number | null
  /** As the steps that follow see it. */
  readonly event: Readonly<Record<string, unknown>>
}

/** Events on their way through the steps. */
export interface Flow {
  /** Indices go from 0 up to here. */
  readonly count: number
  /** Those that are on this way, in order; the columns below are by index. */
  readonly indices: readonly number[]
  /** What each has become on the way. */
  readonly events: Events
  /** By their numbers. */
  readonly keys: ArrayLike<number>
  readonly timesMs: Float64Array
  /** Once each had arrived; an event before it is late. */
  readonly watermarksMs: Float64Array
  /** The windows they are results of; `null`: they are the chunk's own events. */
  readonly windows: readonly WindowResult[] | null
}

/** Events that have reached a model, with their rows, or a sink, without. In order. */
export interface Arrivals {
  readonly step: ScoreStep | SinkStep
  /** Indices in the chunk, or in `windows`. */
  readonly indices: readonly number[]
  readonly windows: readonly WindowResult[] | null
  /** By index. */
  readonly events: Events
  /** What came behind the watermark, by its index; not all of it may have arrived. */
  readonly late: ReadonlySet<number>
  /** Row-major float32[indices, features] in the model's order; empty for a sink. */
  readonly rows: Float32Array
}

/** An event of the chunk, by its index, or a window's result, that cannot go on. */
export interface Fault {
  readonly of: number | WindowResult
  readonly step: string
  readonly error: TidemarkError
}

/** Some step found these late. */
export interface LateEvents {
  readonly step: string
  readonly indices: readonly number[]
}

export interface EngineResult {
  /** What has not been given in earlier pieces. */
  readonly arrivals: readonly Arrivals[]
  readonly faults: readonly Fault[]
  readonly late: readonly LateEvents[]
  /** Indices of events that entered a tumbling window. */
  readonly windowed: readonly number[]
  /** Windows that closed, by the step that kept them. */
  readonly closed: ReadonlyMap<string, number>
  /** ms since the epoch, after the last event; −Infinity before the first. */
  readonly watermarkMs: number
}
