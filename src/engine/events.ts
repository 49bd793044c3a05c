import type { TidemarkError } from '../kernel/errors.ts'
import type { Events } from '../columns/events.ts'
import type { ScoreStep, SinkStep } from '../topology/definition.ts'

// What goes into the engine and what comes out, for the events of one chunk. An event is identified
// by its index in the chunk.

/** Decoded events of one partition in log order, as columns. */
export interface EventBatch {
  readonly count: number
  /** As numbers from the engine's `keyNumbers`. */
  readonly keys: ArrayLike<number>
  readonly timesMs: Float64Array
  /** The records' own Kafka timestamps. */
  readonly recordTimesMs: Float64Array
  readonly events: Events
}

/** A result of a tumbling window. */
export interface WindowResult {
  readonly key: string
  /** The key's number; valid until the engine has processed the whole batch. */
  readonly keyNumber: number
  readonly startMs: number
  readonly endMs: number
  /**
   * True: the only result of a window that has closed. False: an early result, made when an event
   * entered the window.
   */
  readonly isFinal: boolean
  /**
   * Index in the chunk of the event that closed or entered the window; `null`: time passed without
   * an event.
   */
  readonly cause: number | null
  /** The result as the steps that follow see it. */
  readonly event: Readonly<Record<string, unknown>>
}

/** No events. */
export const NO_EVENTS: ReadonlySet<number> = new Set()

/** Events on their way through the steps. */
export interface Flow {
  /** Upper bound (exclusive) of all indices. */
  readonly count: number
  /** Indices of the events of this flow, in order. The columns below are by index, too. */
  readonly indices: readonly number[]
  /** The events as the previous steps have changed them. */
  readonly events: Events
  /** As numbers. */
  readonly keys: ArrayLike<number>
  readonly timesMs: Float64Array
  /** The watermark after each event arrived; an event before it is late. */
  readonly watermarksMs: Float64Array
  /** Indices of the events that a step found late and has passed on all the same. */
  readonly late: ReadonlySet<number>
  /** The window results that these events are; `null`: they are the chunk's own events. */
  readonly windows: readonly WindowResult[] | null
}

/** Events that have reached a model, with their rows, or a sink, without rows. In order. */
export interface Arrivals {
  readonly step: ScoreStep | SinkStep
  /** Indices in the chunk, or in `windows`. */
  readonly indices: readonly number[]
  readonly windows: readonly WindowResult[] | null
  /** By index. */
  readonly events: Events
  /**
   * Indices of the events that came behind the watermark; not all of them need be among `indices`.
   */
  readonly late: ReadonlySet<number>
  /** Row-major float32[indices, features] in the step's order; empty for a sink. */
  readonly rows: Float32Array
  /**
   * By row: the number of the rule that holds for it; the number of rules: none does. @default the
   * step has no rules
   */
  readonly routes?: Uint8Array
  /**
   * For each shadow of the step, the rows of the events whose keys are in its share. @default it
   * has none
   */
  readonly shadowed?: readonly (readonly number[])[]
  /**
   * Row-major float64[indices, carry]: the features that the score step carries, not rounded.
   * @default none
   */
  readonly carried?: Float64Array
  /** The rows of tables that the features looked up. @default they look nothing up */
  readonly found?: FoundRows
}

/** The rows of tables that events have found, by look-up. */
export interface FoundRows {
  /** Of the look-ups. */
  readonly names: readonly string[]
  /** Row-major [indices, names]; `undefined`: none was found. */
  readonly rows: readonly unknown[]
}

/** Why an event of the chunk (by index), or a window's result, is not processed further. */
export interface EngineFault {
  readonly of: number | WindowResult
  readonly step: string
  readonly error: TidemarkError
}

/** The events that one step found late. */
export interface LateEvents {
  readonly step: string
  readonly indices: readonly number[]
}

/** What the engine returns for one chunk. */
export interface EngineResult {
  /** The arrivals that were not yielded in earlier pieces. */
  readonly arrivals: readonly Arrivals[]
  readonly faults: readonly EngineFault[]
  readonly late: readonly LateEvents[]
  /** Indices of events that a step found to be duplicates. */
  readonly duplicates: readonly number[]
  /** Indices of events that entered a tumbling window. */
  readonly windowed: readonly number[]
  /** Number of windows that closed, by the step that kept them. */
  readonly closed: ReadonlyMap<string, number>
  /** ms since the epoch, after the last event; −Infinity before the first. */
  readonly watermarkMs: number
}
