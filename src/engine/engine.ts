// The pure core: events of one partition go in, rows for the models come out. Synchronous: no
// clock, no I/O, no randomness.

import { type Reader, called } from '../columns/events.ts'
import type { Definition, SourceDefinition } from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import { Dictionary } from './dictionary.ts'
import { type Arrivals, type EngineResult, type EventBatch, NO_EVENTS } from './events.ts'
import { futureError } from './faults.ts'
import type { KeyedState } from './keyed-state.ts'
import type { Operator } from './operators/rule.ts'
import { openAll, planOf } from './plan.ts'
import { ChunkRun, type RunMode } from './run.ts'
import { sharesTopic } from './shared-topic.ts'
import { type StateLimits, StateUse } from './state-limits.ts'
import { Watermark, type WatermarkParts } from './watermark.ts'

/**
 * How many keys, and texts per column, are checked for eviction after each chunk, in addition to
 * two per event of the chunk. An event adds at most one that may be evicted at once and one that is
 * evicted later. The bound keeps a chunk short even where a million keys leave a window at the same
 * time.
 */
const SETTLES = 1_000

/** What an {@link Engine} needs besides its topology. */
export interface EngineOptions {
  readonly lookup: Lookup
  /** @default none */
  readonly limits?: StateLimits
  /** How functions are evaluated on the source's events. @default they are called */
  readonly reader?: Reader
}

/**
 * Yields the results of a chunk in bounded pieces, in order; returns what is left at the end. Until
 * it has returned, the engine must not be used for anything else.
 */
export type ChunkResults = Generator<readonly Arrivals[], EngineResult>

/** The state of one task: the watermark and the windows of one topology on one partition. */
export class Engine {
  /** Numbers for keys: those of the next batch, and those of which the engine keeps state. */
  readonly keyNumbers = new Dictionary()
  readonly #source: SourceDefinition
  readonly #watermark: Watermark
  /** The operators that the source feeds directly, and all operators. */
  readonly #first: readonly Operator[]
  readonly #operators: readonly Operator[]
  readonly #use: StateUse

  constructor(
    definition: Definition,
    { lookup, limits = NO_LIMITS, reader = called }: EngineOptions,
  ) {
    const { source, then } = definition
    const use = new StateUse(limits)
    const { first, all } = openAll(then, reader, {
      ...{ onLate: source.onLate, lookup, keys: this.keyNumbers, use },
      isWhole: sharesTopic(planOf(definition)),
    })
    this.#source = source
    this.#watermark = new Watermark(source)
    this.#first = first
    this.#operators = all
    this.#use = use
  }

  /** The watermark, ms since the epoch; −Infinity before the first event. */
  get watermarkMs(): number {
    return this.#watermark.nowMs
  }

  /**
   * The parts from which {@link restoreWatermark} restores this watermark, to be stored with an
   * offset.
   */
  get watermarkParts(): WatermarkParts {
    return this.#watermark.parts
  }

  /**
   * The newest event time, ms since the epoch, as of this watermark's first event; `null` before
   * that event.
   */
  get firstMs(): number | null {
    return this.#watermark.firstMs
  }

  /** Restores the watermark that belongs to the offset from which reading starts. */
  restoreWatermark(parts: WatermarkParts): void {
    this.#watermark.restore(parts)
  }

  /** Number of keys that occupy memory. */
  get keys(): number {
    return this.#use.keys
  }

  /** Approximate bytes that the windows held after the last chunk. */
  get bytes(): number {
    return this.#use.bytes
  }

  /** The watermark at which the next tumbling window closes; +Infinity if none is open. */
  get nextEndMs(): number {
    const ends = this.#operators.map(({ kept }) => kept?.nextEndMs ?? Number.POSITIVE_INFINITY)
    return Math.min(Number.POSITIVE_INFINITY, ...ends)
  }

  /**
   * The operators' state by key. Not to be used while {@link process} or {@link advance} has pieces
   * left.
   */
  get keyedStates(): readonly KeyedState[] {
    return this.#operators.flatMap(({ kept }) => kept?.states ?? [])
  }

  /** Processes the events of the next chunk, in log order. */
  *process(batch: EventBatch, mode: RunMode = 'live'): ChunkResults {
    const run = new ChunkRun(mode)
    const { count, keys, events, timesMs, recordTimesMs } = batch
    const indices: number[] = []
    const watermarksMs = new Float64Array(count)
    for (let index = 0; index < count; index++) {
      const timeMs = timesMs[index] as number
      const recordTimeMs = recordTimesMs[index] as number
      if (this.#watermark.admit(timeMs, recordTimeMs)) indices.push(index)
      else run.fault(index, this.#source.topic, futureError(timeMs, recordTimeMs))
      watermarksMs[index] = this.#watermark.nowMs
    }
    const chunk = { count, keys, events, timesMs, watermarksMs }
    const flow = { ...chunk, indices, late: NO_EVENTS, windows: null }
    for (const operator of this.#first) yield* operator.process(flow, run)
    this.#settle(count)
    return run.result(this.#watermark.nowMs)
  }

  /** Advances the watermark of an idle partition and closes the windows that it has passed. */
  *advance(idleMs: number, mode: RunMode = 'live'): ChunkResults {
    const run = new ChunkRun(mode)
    this.#watermark.advance(idleMs)
    for (const operator of this.#operators) {
      yield* operator.pass?.(this.#watermark.nowMs, run) ?? []
    }
    this.#settle(0)
    return run.result(this.#watermark.nowMs)
  }

  #settle(events: number): void {
    const most = SETTLES + 2 * events
    let bytes = this.keyNumbers.bytes
    let texts = 0
    for (const operator of this.#operators) {
      operator.settle?.(most)
      bytes += operator.kept?.bytes ?? 0
      texts += operator.kept?.texts ?? 0
    }
    this.keyNumbers.settle(most)
    this.#use.bytes = bytes
    this.#use.texts = texts
  }
}

const NO_LIMITS: StateLimits = {
  maxKeys: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
}
