import type { TidemarkError } from '../kernel/errors.ts'
import type { ScoreStep, SinkStep } from '../topology/definition.ts'

// What goes into the engine and what comes out, for the events of one chunk. An event is named by its index in the chunk.

/** Decoded events of one partition in log order, as columns. */
export interface EventBatch {
  readonly count: number
  readonly keys: readonly string[]
  readonly timesMs: Float64Array
  /** The records' own Kafka timestamps. */
  readonly recordTimesMs: Float64Array
  readonly events: readonly unknown[]
}

/** Events of a chunk on their way through the steps. */
export interface Flow {
  /** Those that are on this way, in log order; the columns below are by index. */
  readonly indices: readonly number[]
  /** What each has become on the way. */
  readonly events: readonly unknown[]
  readonly keys: readonly string[]
  readonly timesMs: Float64Array
  /** As it was when each arrived; an event before it is late. */
  readonly watermarksMs: Float64Array
}

/** Events that have reached a model, with their rows, or a sink, without. In log order. */
export interface Arrivals {
  readonly step: ScoreStep | SinkStep
  readonly indices: readonly number[]
  readonly events: readonly unknown[]
  /** Row-major float32[indices, features] in the model's order; empty for a sink. */
  readonly rows: Float32Array
}

/** An event that cannot go on. */
export interface Fault {
  readonly index: number
  readonly step: string
  readonly error: TidemarkError
}

/** Some step found these late. */
export interface LateEvents {
  readonly step: string
  readonly indices: readonly number[]
}

export interface EngineResult {
  readonly arrivals: readonly Arrivals[]
  readonly faults: readonly Fault[]
  readonly late: readonly LateEvents[]
  /** ms since the epoch, after the last event; −Infinity before the first. */
  readonly watermarkMs: number
}
