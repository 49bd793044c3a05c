// The pure heart: events of one partition in, rows for the models out. Synchronous; no clock, no I/O, no chance.

import { TidemarkError } from '../kernel/errors.ts'
import { called, type Events, type Read, type Reader } from '../plan/events.ts'
import {
  type Definition,
  type FeaturesStep,
  type Step,
  stepsOf,
  type TumblingStep,
} from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import { Dictionary } from './dictionary.ts'
import type {
  Arrivals,
  EngineResult,
  EventBatch,
  Fault,
  Flow,
  LateEvents,
  WindowResult,
} from './events.ts'
import { futureError, threw } from './faults.ts'
import { FeatureRows, type FeatureRowsOptions } from './feature-rows.ts'
import type { KeyedState } from './keyed-state.ts'
import { sharesTopic } from './shared-topic.ts'
import { type StateLimits, StateUse } from './state-limits.ts'
import { TumblingWindows } from './tumbling-windows.ts'
import { Watermark, type WatermarkParts } from './watermark.ts'

/** Keys that are looked at for expiry after a chunk, beside twice as many as it had events. */
const SWEEP = 1_000

export interface EngineOptions {
  readonly lookup: Lookup
  /** @default none */
  readonly limits?: StateLimits
  /** How functions of the source's events are asked. @default they are called */
  readonly reader?: Reader
}

/** `live`: with rows and results · `replay`: only the windows are kept, nothing comes out. */
export type Mode = 'live' | 'replay'

/** Results of a chunk in bounded pieces, in order, and at the end what is left. Nothing else may be asked of the engine before. */
export type Pieces = Generator<readonly Arrivals[], EngineResult>

/** What steps keep between events. */
interface State {
  readonly featureRows: ReadonlyMap<FeaturesStep, FeatureRows>
  readonly tumbling: ReadonlyMap<TumblingStep, TumblingWindows>
  /** What the functions of `where` and `map` steps make of events. */
  readonly reads: ReadonlyMap<Step, Read<unknown>>
  /** Must all that a chunk comes to be given at once? */
  readonly isWhole: boolean
}

/** The state of one task: the watermark and the windows of one topology on one partition. */
export class Engine {
  /** Numbers for the keys of the next batch, and of what it keeps. */
  readonly keyNumbers = new Dictionary()
  readonly #definition: Definition
  readonly #watermark: Watermark
  readonly #state: State
  readonly #use: StateUse

  constructor(
    definition: Definition,
    { lookup, limits = NO_LIMITS, reader = called }: EngineOptions,
  ) {
    const use = new StateUse(limits)
    this.#definition = definition
    this.#watermark = new Watermark(definition.source)
    this.#use = use
    this.#state = stateOf(definition, { lookup, reader, keys: this.keyNumbers, use })
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
    const ends = [...this.#state.tumbling.values()].map((windows) => windows.nextEndMs)
    return Math.min(Number.POSITIVE_INFINITY, ...ends)
  }

  /** What is kept of each key, by step; of a features step a state for each kind of event. Not to be asked while pieces are to come. */
  get keyedStates(): ReadonlyMap<string, readonly KeyedState[]> {
    const { featureRows, tumbling } = this.#state
    return new Map<string, readonly KeyedState[]>([
      ...[...featureRows].map(([{ name }, rows]) => [name, rows.kinds] as const),
      ...[...tumbling].map(([{ name }, windows]) => [name, [windows]] as const),
    ])
  }

  /** Takes the events of the next chunk, in log order. */
  *process(batch: EventBatch, mode: Mode = 'live'): Pieces {
    const run = new Run(this.#state, mode)
    const { keys, events, timesMs } = batch
    const indices: number[] = []
    const watermarksMs = new Float64Array(batch.count)
    for (let index = 0; index < batch.count; index++) {
      const timeMs = timesMs[index] as number
      const recordTimeMs = batch.recordTimesMs[index] as number
      if (this.#watermark.admit(timeMs, recordTimeMs) === 'future') {
        run.fault(index, this.#definition.source.topic, futureError(timeMs, recordTimeMs))
      } else indices.push(index)
      watermarksMs[index] = this.#watermark.nowMs
    }
    const flow = { indices, events, keys, timesMs, watermarksMs, windows: null }
    yield* run.follow(this.#definition.then, flow)
    this.#settle(batch.count)
    return run.result(this.#watermark.nowMs)
  }

  /** A silent partition's time passes: windows close that the watermark has reached. */
  *advance(idleMs: number, mode: Mode = 'live'): Pieces {
    const run = new Run(this.#state, mode)
    this.#watermark.advance(idleMs)
    yield* run.pass(this.#definition.then, this.#watermark.nowMs)
    this.#settle(0)
    return run.result(this.#watermark.nowMs)
  }

  #settle(events: number): void {
    const { featureRows, tumbling } = this.#state
    let bytes = this.keyNumbers.bytes
    let texts = 0
    for (const rows of featureRows.values()) {
      rows.expire(SWEEP + 2 * events)
      bytes += rows.bytes
      texts += rows.texts
    }
    for (const windows of tumbling.values()) {
      windows.expire()
      bytes += windows.bytes
      texts += windows.texts
    }
    this.keyNumbers.settle()
    this.#use.bytes = bytes
    this.#use.texts = texts
  }
}

/** One chunk on its way through the steps. */
class Run {
  readonly #state: State
  readonly #mode: Mode
  #arrivals: Arrivals[] = []
  readonly #late: LateEvents[] = []
  readonly #windowed: number[] = []
  readonly #closed = new Map<string, number>()
  /** By what it befell: the first fault decides, an event is set aside once. */
  readonly #faults = new Map<number | WindowResult, Fault>()

  constructor(state: State, mode: Mode) {
    this.#state = state
    this.#mode = mode
  }

  result(watermarkMs: number): EngineResult {
    return {
      arrivals: this.#arrivals,
      faults: [...this.#faults.values()],
      late: this.#late,
      windowed: this.#windowed,
      closed: this.#closed,
      watermarkMs,
    }
  }

  fault(of: number | WindowResult, step: string, error: TidemarkError): void {
    if (!this.#faults.has(of)) this.#faults.set(of, { of, step, error })
  }

  *follow(then: readonly Step[], flow: Flow): Generator<readonly Arrivals[], void> {
    for (const step of then) {
      switch (step.op) {
        case 'where': {
          const read = this.#state.reads.get(step) as Read<unknown>
          const indices = this.#each(step.name, flow, (events, index) =>
            Boolean(read.of(events, index)),
          )
          yield* this.follow(step.then, { ...flow, indices })
          break
        }
        case 'map': {
          const read = this.#state.reads.get(step) as Read<unknown>
          const made: unknown[] = new Array(flow.watermarksMs.length)
          const indices = this.#each(step.name, flow, (events, index) => {
            made[index] = read.of(events, index)
            return true
          })
          yield* this.follow(step.then, { ...flow, indices, events: made })
          break
        }
        case 'features':
          this.#enterFeatures(step, flow)
          break
        case 'tumbling':
          yield* this.#enterTumbling(step, flow)
          break
        case 'sink': {
          if (this.#mode === 'replay') break
          const { indices, windows, events } = flow
          this.#arrivals.push({ step, indices, windows, events, late: NONE, rows: NO_ROWS })
          break
        }
        case 'score':
          throw new TidemarkError('INVARIANT', `step "${step.name}" (${step.op}) cannot stand here`)
      }
    }
  }

  /** Lets tumbling windows close that no event has closed. */
  *pass(then: readonly Step[], watermarkMs: number): Generator<readonly Arrivals[], void> {
    for (const step of then) {
      if (step.op === 'tumbling') {
        const windows = this.#state.tumbling.get(step) as TumblingWindows
        yield* this.#followResults(step, (run) => windows.pass(watermarkMs, run))
      } else if (step.op === 'where' || step.op === 'map') yield* this.pass(step.then, watermarkMs)
    }
  }

  #enterFeatures(step: FeaturesStep, flow: Flow): void {
    const featureRows = this.#state.featureRows.get(step) as FeatureRows
    const { arrivals, late } = featureRows.run(flow, {
      fault: (index, error) => this.fault(subjectOf(flow, index), step.name, error),
      isWanted: this.#mode === 'live',
    })
    if (this.#mode === 'live') this.#arrivals.push(...arrivals)
    if (late.length > 0) this.#late.push({ step: step.name, indices: late })
  }

  *#enterTumbling(step: TumblingStep, flow: Flow): Generator<readonly Arrivals[], void> {
    const windows = this.#state.tumbling.get(step) as TumblingWindows
    yield* this.#followResults(step, (run) => windows.take(flow, run))
  }

  /** The results of windows go on as a stream of their own, piece by piece. */
  *#followResults(
    step: TumblingStep,
    resultsOf: (run: Parameters<TumblingWindows['take']>[1]) => Generator<readonly WindowResult[]>,
  ): Generator<readonly Arrivals[], void> {
    const outcome = { entered: this.#windowed, late: [] as number[], closed: 0 }
    const results = resultsOf({
      fault: (index, error) => this.fault(index, step.name, error),
      outcome,
      isWanted: this.#mode === 'live' || keepsWindows(step.then),
    })
    let isFirst = true
    for (const piece of results) {
      // Nothing is given of what must be whole, but there is time for others.
      if (!isFirst) yield this.#state.isWhole ? [] : this.#arrivals.splice(0)
      isFirst = false
      if (piece.length > 0) yield* this.follow(step.then, flowOf(piece))
    }
    if (outcome.late.length > 0) this.#late.push({ step: step.name, indices: outcome.late })
    if (outcome.closed > 0) {
      this.#closed.set(step.name, (this.#closed.get(step.name) ?? 0) + outcome.closed)
    }
  }

  /** Calls a step of the author's for each event; the indices of those for which it holds. */
  #each(step: string, flow: Flow, holds: (events: Events, index: number) => boolean): number[] {
    return flow.indices.filter((index) => {
      try {
        return holds(flow.events, index)
      } catch (cause) {
        this.fault(subjectOf(flow, index), step, threw(cause, step))
        return false
      }
    })
  }
}

const NO_LIMITS: StateLimits = {
  maxKeys: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
}
const NO_ROWS = new Float32Array(0)
const NONE: ReadonlySet<number> = new Set()

function stateOf({ source, then }: Definition, shared: FeatureRowsOptions): State {
  const { onLate } = source
  const featureRows = new Map<FeaturesStep, FeatureRows>()
  const tumbling = new Map<TumblingStep, TumblingWindows>()
  const reads = new Map<Step, Read<unknown>>()
  const enter = (steps: readonly Step[], here: Reader) => {
    for (const step of steps) {
      if (step.op === 'where') {
        reads.set(step, here(step.keep))
        enter(step.then, here)
      } else if (step.op === 'map') {
        reads.set(step, here(step.to))
        enter(step.then, called)
      } else if (step.op === 'features') {
        featureRows.set(step, new FeatureRows(step, onLate, { ...shared, reader: here }))
      } else if (step.op === 'tumbling') {
        const setsLateAside = onLate === 'dead-letter'
        tumbling.set(step, new TumblingWindows(step, setsLateAside, { ...shared, reader: here }))
        enter(step.then, called)
      }
    }
  }
  enter(then, shared.reader)
  return { featureRows, tumbling, reads, isWhole: sharesTopic(then) }
}

/** What is set aside when an event of a flow cannot go on: an early result is an answer to its event, a final one is its own. */
function subjectOf({ windows }: Flow, index: number): number | WindowResult {
  const window = windows?.[index]
  if (window === undefined) return index
  return window.isFinal ? window : (window.cause as number)
}

/** Results of windows as events: each at its window's last millisecond, which no later one is behind. */
function flowOf(windows: readonly WindowResult[]): Flow {
  const timesMs = Float64Array.from(windows, (w) => w.endMs - 1)
  return {
    indices: windows.map((_, index) => index),
    events: windows.map((w) => w.event),
    keys: windows.map((w) => w.keyNumber),
    timesMs,
    watermarksMs: timesMs,
    windows,
  }
}

function keepsWindows(then: readonly Step[]): boolean {
  return [...stepsOf(then)].some((step) => step.op === 'features')
}
