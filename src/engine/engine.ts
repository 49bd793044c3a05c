import type { ColumnForm } from '../columns/columns.ts'
import type { Reader } from '../columns/events.ts'
import { fieldsReturned } from '../formats/json/field-rules.ts'
import { knownEvent } from '../formats/json/known-values.ts'
import type { KeyedHash } from '../kernel/bytes.ts'
import type { Definition, SourceDefinition } from '../topology/definition.ts'
import {
  type EngineResult,
  type EventBatch,
  NO_EVENTS,
  NONE_DEGRADED,
  type ReadyBatch,
} from './events.ts'
import { futureError } from './faults.ts'
import { type Operator, type OperatorContext, passOn, type StepStates } from './operators/rule.ts'
import { openAll, planOf, sharesTopic } from './plan.ts'
import { ChunkRun, type RunMode } from './run.ts'
import { Dictionary } from './store/dictionary.ts'
import { type HeldState, type StateLimits, StateUse } from './store/state-limits.ts'
import { Watermark } from './watermark.ts'

/**
 * Keys, and texts per column, that are checked for eviction after each chunk, besides two per
 * event. An event adds at most one to evict at once and one to evict later. The bound keeps a chunk
 * short even if a million keys leave a window together.
 */
const SETTLES = 1_000
/** More than the keys and texts that a preview leaves, which nobody holds. */
const LEFT_BY_PREVIEW = 8

export interface EngineOptions extends Pick<OperatorContext, 'lookup' | 'scoring'> {
  readonly limits: StateLimits
  /** How functions are evaluated on events. */
  readonly reader: Reader
  /** The columns that events come in. */
  readonly forms: readonly ColumnForm[]
  /** Finds keys and texts. No result depends on its secret. */
  readonly hash: KeyedHash
}

/**
 * Results of a chunk in order, a bounded number at a time, or a promise to wait for; the rest is
 * returned at the end. Until then the engine must not be used for anything else.
 */
export type ChunkResults = Generator<readonly ReadyBatch[] | Promise<unknown>, EngineResult>

/**
 * The watermark and the windows of one topology on one partition. Synchronous, without clock, I/O
 * or randomness.
 */
export class Engine {
  /** Numbers of the next batch's keys, and of keys with state. */
  readonly keyNumbers: Dictionary
  readonly watermark: Watermark
  /** Counts that the limits apply to. */
  readonly use: StateUse
  readonly #source: SourceDefinition
  readonly #first: readonly Operator[]
  readonly #operators: readonly Operator[]
  readonly #states: readonly HeldState[]

  constructor(definition: Definition, options: EngineOptions) {
    const { lookup, limits, reader, forms, scoring, hash } = options
    const { source, then } = definition
    const use = new StateUse(limits)
    this.keyNumbers = new Dictionary(hash)
    const event = knownEvent(forms)
    const shape = { eventOf: () => event, expression: null }
    const input = { reader, shape, features: null, declares: fieldsReturned(source.schema) }
    const { first, all } = openAll(then, input, {
      ...{ onLate: source.onLate, lookup, keys: this.keyNumbers, use, scoring },
      isWhole: sharesTopic(planOf(definition)),
    })
    this.#source = source
    this.watermark = new Watermark(source)
    this.#first = first
    this.#operators = all
    this.#states = all.flatMap(({ states }) => states ?? [])
    this.use = use
  }

  /** The watermark at which the next tumbling window closes; +Infinity: none is open. */
  get nextEndMs(): number {
    return Math.min(...this.#operators.map((step) => step.nextEndMs ?? Number.POSITIVE_INFINITY))
  }

  /** @param previewed the identity of a preview: rows of stores are fetched once for it */
  *process(
    batch: EventBatch,
    mode: RunMode = 'live',
    previewed: object | null = null,
  ): ChunkResults {
    const { count, keys, events, timesMs, recordTimesMs } = batch
    const isPreview = mode === 'preview'
    const run = new ChunkRun(mode, previewed)
    const indices: number[] = []
    const watermarksMs = new Float64Array(count)
    for (let index = 0; index < count; index++) {
      const timeMs = timesMs[index] as number
      const recordTimeMs = recordTimesMs[index] as number
      const accepts = isPreview
        ? this.watermark.accepts(timeMs, recordTimeMs)
        : this.watermark.admit(timeMs, recordTimeMs)
      if (accepts) indices.push(index)
      else run.fault(index, this.#source.topic, futureError(timeMs, recordTimeMs))
      const { nowMs } = this.watermark
      watermarksMs[index] = isPreview && accepts ? this.watermark.after(timeMs) : nowMs
    }
    const columns = { count, keys, events, source: events, timesMs, watermarksMs }
    const none = { late: NO_EVENTS, windows: null, features: null, degraded: NONE_DEGRADED }
    const chunk = { ...columns, ...none, indices }
    yield* passOn(this.#first, chunk, run)
    this.#expire(isPreview ? LEFT_BY_PREVIEW : SETTLES + 2 * count)
    return run.result(this.watermark.nowMs)
  }

  *advance(idleMs: number, mode: RunMode = 'live'): ChunkResults {
    const run = new ChunkRun(mode)
    this.watermark.advance(idleMs)
    for (const operator of this.#operators) {
      yield* operator.advance?.(this.watermark.nowMs, run) ?? []
    }
    this.#expire(SETTLES)
    return run.result(this.watermark.nowMs)
  }

  /** State of a key, by step; `null`: no step keeps anything of it. */
  peek(key: string): StepStates | null {
    const { nowMs: watermarkMs, parts } = this.watermark
    const moment = { key: this.keyNumbers.numberOf(key), timeMs: parts.newestMs, watermarkMs }
    const stepStates: StepStates = { features: {}, windows: {} }
    for (const operator of this.#operators) operator.peek?.(moment, stepStates)
    const isNothing = this.#operators.every(
      ({ states = [] }) => !states.some((state) => state.has(moment.key)),
    )
    this.#expire(LEFT_BY_PREVIEW)
    return isNothing ? null : stepStates
  }

  #expire(most: number): void {
    let bytes = this.keyNumbers.bytes
    let texts = 0
    for (const operator of this.#operators) operator.expire?.(most)
    for (const state of this.#states) {
      bytes += state.bytes
      texts += state.texts
    }
    this.keyNumbers.expire(most)
    this.use.bytes = bytes
    this.use.texts = texts
  }
}
