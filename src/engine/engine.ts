// The pure heart: events of one partition in, rows for the models out. Synchronous; no clock, no
// I/O, no chance.

import { called, type Reader } from '../plan/events.ts'
import type { Definition, SourceDefinition } from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import { Dictionary } from './dictionary.ts'
import type { Arrivals, EngineResult, EventBatch } from './events.ts'
import { futureError } from './faults.ts'
import type { KeyedState } from './keyed-state.ts'
import type { Operator } from './operators/rule.ts'
import { openAll, planOf } from './plan.ts'
import { type Mode, Run } from './run.ts'
import { sharesTopic } from './shared-topic.ts'
import { type StateLimits, StateUse } from './state-limits.ts'
import { Watermark, type WatermarkParts } from './watermark.ts'

/**
 * Keys, and texts of a column, that are looked at after a chunk, beside twice as many as it had
 * events: an event brings one that may go at once, and one that goes later. A window that a million
 * keys leave at one time must hold nobody up.
 */
const SETTLES = 1_000

export interface EngineOptions {
  readonly lookup: Lookup
  /** @default none */
  readonly limits?: StateLimits
  /** How functions of the source's events are asked. @default they are called */
  readonly reader?: Reader
}

/**
 * Results of a chunk in bounded pieces, in order, and at the end what is left. Nothing else may be
 * asked of the engine before.
 */
export type Pieces = Generator<readonly Arrivals[], EngineResult>

/** The state of one task: the watermark and the windows of one topology on one partition. */
export class Engine {
  /** Numbers for the keys of the next batch, and of what it keeps. */
  readonly keyNumbers = new Dictionary()
  readonly #source: SourceDefinition
  readonly #watermark: Watermark
  /** Those that the source's events come to, and all of them. */
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

  get watermarkMs(): number {
    return this.#watermark.nowMs
  }

  /** Kept beside an offset, it brings the watermark of that offset back. */
  get watermarkParts(): WatermarkParts {
    return this.#watermark.parts
  }

  /** Newest event time, ms since the epoch, when its first event had come; `null` before that. */
  get firstMs(): number | null {
    return this.#watermark.firstMs
  }

  /** Begins at an offset where the watermark was this. */
  restoreWatermark(parts: WatermarkParts): void {
    this.#watermark.restore(parts)
  }

  /** Keys that hold memory. */
  get keys(): number {
    return this.#use.keys
  }

  /** Bytes that the windows held after the last chunk, about. */
  get bytes(): number {
    return this.#use.bytes
  }

  /** When the next tumbling window closes, by the watermark; +Infinity when none is open. */
  get nextEndMs(): number {
    const ends = this.#operators.map(({ kept }) => kept?.nextEndMs ?? Number.POSITIVE_INFINITY)
    return Math.min(Number.POSITIVE_INFINITY, ...ends)
  }

  /** What operators keep of each key. Not to be asked while pieces are to come. */
  get keyedStates(): readonly KeyedState[] {
    return this.#operators.flatMap(({ kept }) => kept?.states ?? [])
  }

  /** Takes the events of the next chunk, in log order. */
  *process(batch: EventBatch, mode: Mode = 'live'): Pieces {
    const run = new Run(mode)
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
    const flow = { count, indices, events, keys, timesMs, watermarksMs, windows: null }
    for (const operator of this.#first) yield* operator.take(flow, run)
    this.#settle(count)
    return run.result(this.#watermark.nowMs)
  }

  /** A silent partition's time passes: windows close that the watermark has reached. */
  *advance(idleMs: number, mode: Mode = 'live'): Pieces {
    const run = new Run(mode)
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
