import type { TidemarkError } from '../../../kernel/errors.ts'
import { sortInTurns } from '../../../kernel/slices.ts'
import { startOfWindow } from '../../../kernel/time.ts'
import type { Aggregate } from '../../../topology/aggregates.ts'
import type { TumblingStep } from '../../../topology/definition.ts'
import { type FlowBatch, NO_EVENTS, NONE_DEGRADED, type WindowResult } from '../../events.ts'
import { badColumn, lateError, threw } from '../../faults.ts'
import type { ChunkRun } from '../../run.ts'
import { EventColumns } from '../../store/event-columns.ts'
import { Calendar } from '../../store/expiry.ts'
import { Histories } from '../../store/histories.ts'
import type { History } from '../../store/history.ts'
import type { EventMoment } from '../../store/keyed-windows.ts'
import { type HeldState, HISTORY_BYTES } from '../../store/state-limits.ts'
import { WindowWalk } from '../../store/window-walk.ts'
import { isWindowClosed } from '../../watermark.ts'
import {
  type Operator,
  type OperatorContext,
  passOn,
  type ReadyBatches,
  type StepStates,
} from '../rule.ts'

/** Windows that close before results are yielded. */
const MOST_CLOSED = 1_000

interface StepsBehind {
  readonly behind: readonly Operator[]
  /** Whether some of them have windows: replays then make results too. */
  readonly areWindows: boolean
}

/** A chunk, or time that passes without one, and its results so far. */
interface Turn {
  readonly run: ChunkRun
  /** Otherwise windows only open and close. */
  readonly isWanted: boolean
  readonly results: WindowResult[]
  readonly late: number[]
  closed: number
}

type Results = Generator<readonly WindowResult[], void>

/** The open windows of one tumbling step, by key. A window is a range of its key's events. */
export class TumblingWindows implements Operator, HeldState {
  readonly states = [this]
  readonly #step: TumblingStep
  readonly #steps: StepsBehind
  readonly #context: OperatorContext
  readonly #columns: EventColumns
  readonly #walk: WindowWalk
  readonly #fields: readonly (readonly [name: string, aggregate: Aggregate])[]
  readonly #row: Float64Array
  readonly #histories: Histories
  /** Keys of open windows, by the windows' end. */
  readonly #open = new Calendar()

  constructor(step: TumblingStep, steps: StepsBehind, context: OperatorContext) {
    const { input, keys } = context
    const aggregates = Object.values(step.aggregates)
    this.#step = step
    this.#steps = steps
    this.#context = context
    const cells = { reader: input.reader, precision: 'float64', hash: keys.hash } as const
    this.#columns = new EventColumns(step.columns, aggregates, cells)
    this.#histories = new Histories(this.#columns.layout)
    const { lengthMs } = step
    this.#walk = new WindowWalk(
      aggregates.map((aggregate, feature) => ({ aggregate, lengthMs, feature })),
      this.#columns,
    )
    this.#fields = Object.entries(step.aggregates)
    this.#row = new Float64Array(aggregates.length)
  }

  get bytes(): number {
    return this.#columns.bytes + HISTORY_BYTES * this.#histories.size
  }

  get texts(): number {
    return this.#columns.texts
  }

  /** Evicts texts, at most `most` per column. A key is evicted when its last window closes. */
  expire(most: number): void {
    this.#columns.expire(most)
  }

  /** The watermark at which the next window closes; +Infinity: none is open. */
  get nextEndMs(): number {
    return (this.#open.first ?? Number.POSITIVE_INFINITY) + this.#step.graceMs
  }

  process(batch: FlowBatch, run: ChunkRun): ReadyBatches {
    if (run.mode === 'preview') return this.#previewAll(batch, run)
    return this.#follow(run, (turn) => this.#enterAll(batch, turn))
  }

  advance(watermarkMs: number, run: ChunkRun): ReadyBatches {
    return this.#follow(run, (turn) => this.#close(watermarkMs, null, turn))
  }

  has(key: number): boolean {
    return this.#histories.has(key)
  }

  peek({ key }: EventMoment, { windows }: StepStates): void {
    const history = this.#histories.of(key)
    if (history === null) return
    const ends: number[] = []
    // Closed windows have dropped their events.
    for (let timeMs = history.newestMs; timeMs !== Number.NEGATIVE_INFINITY; ) {
      const endMs = this.#endOf(timeMs)
      ends.push(endMs)
      timeMs = history.latestUpTo(endMs - this.#step.lengthMs - 1)
    }
    const open = { isFinal: false, cause: null }
    windows[this.#step.name] = ends
      .toReversed()
      .map((endMs) => this.#result(history, { endMs, ...open }).event)
  }

  /** Finds events that may not enter; results are not previewed. */
  #previewAll(batch: FlowBatch, run: ChunkRun): ReadyBatches {
    const late: number[] = []
    for (const index of batch.indices) this.#accepts(batch, index, { run, late })
    run.late(this.#step.name, late)
    return []
  }

  /** Passes the results on as their own stream, some at a time. */
  *#follow(run: ChunkRun, resultsOf: (turn: Turn) => Results): ReadyBatches {
    const { name } = this.#step
    const isWanted = run.mode === 'live' || this.#steps.areWindows
    const turn: Turn = { run, isWanted, results: [], late: [], closed: 0 }
    let isFirst = true
    for (const results of withRest(resultsOf(turn), turn)) {
      // Whole results are not passed on yet, but others get their turn.
      if (!isFirst) yield this.#context.isWhole ? [] : run.takeReady()
      isFirst = false
      if (results.length > 0) yield* passOn(this.#steps.behind, batchOf(results), run)
    }
    run.late(name, turn.late)
    run.closed(name, turn.closed)
  }

  /**
   * Yields results in log order, some at a time: before an event enters, the windows that its
   * watermark has passed close in the order (end, key). An empty list gives others their turn.
   */
  *#enterAll(batch: FlowBatch, turn: Turn): Results {
    const { indices, watermarksMs } = batch
    let next = 0
    this.#columns.readAhead(batch)
    // An event that a step has filtered out still moves the watermark.
    for (let index = 0; index < watermarksMs.length; index++) {
      yield* this.#close(watermarksMs[index] as number, index, turn)
      if (indices[next] !== index) continue
      next++
      const result = this.#enter(batch, index, turn)
      if (result !== null) turn.results.push(result)
    }
  }

  /** @param cause the event that closes them; `null`: no event does */
  *#close(watermarkMs: number, cause: number | null, turn: Turn): Results {
    const { graceMs } = this.#step
    for (
      let endMs = this.#open.first;
      endMs !== null && isWindowClosed(endMs, graceMs, watermarkMs);
      endMs = this.#open.first
    ) {
      const keys = yield* this.#removeOpen(endMs)
      for (const key of keys) {
        const history = this.#histories.of(key) as History
        turn.closed++
        if (turn.isWanted) turn.results.push(this.#result(history, { endMs, isFinal: true, cause }))
        // Windows close in the order of their ends, so no older window needs these events.
        history.prune(endMs - 1)
        if (history.size === 0) this.#evict(key)
        if (turn.closed % MOST_CLOSED === 0) yield turn.results.splice(0)
      }
    }
  }

  /** Removes the windows that end first, at a time. @returns their keys in order */
  *#removeOpen(endMs: number): Generator<readonly never[], readonly number[]> {
    const sorting = sortInTurns(this.#open.keysOf(endMs), this.#byText)
    this.#open.removeFirst()
    let step = sorting.next()
    for (; step.done !== true; step = sorting.next()) yield []
    return step.value
  }

  #endOf(timeMs: number): number {
    return startOfWindow(timeMs, this.#step.lengthMs) + this.#step.lengthMs
  }

  /** Reads an event that its window, and the limits, still accept. */
  #accepts(batch: FlowBatch, index: number, { run, late }: Pick<Turn, 'run' | 'late'>): boolean {
    const { name, graceMs } = this.#step
    const { onLate, use } = this.#context
    const key = batch.keys[index] as number
    const timeMs = batch.timesMs[index] as number
    const watermarkMs = batch.watermarksMs[index] as number
    if (isWindowClosed(this.#endOf(timeMs), graceMs, watermarkMs)) {
      late.push(index)
      if (onLate === 'dead-letter') run.fault(index, name, lateError(timeMs, watermarkMs))
      return false
    }
    const error = this.#read(batch, index) ?? use.refusal(this.#histories.has(key) ? 0 : 1)
    if (error !== null) run.fault(index, name, error)
    return error === null
  }

  #enter(batch: FlowBatch, index: number, turn: Turn): WindowResult | null {
    if (!this.#accepts(batch, index, turn)) return null
    const { run, isWanted } = turn
    const { lengthMs, emit } = this.#step
    const key = batch.keys[index] as number
    const timeMs = batch.timesMs[index] as number
    const endMs = this.#endOf(timeMs)
    const startMs = endMs - lengthMs
    const history = this.#histories.of(key) ?? this.#begin(key)
    if (history.latestUpTo(endMs - 1) < startMs) this.#open.file(key, endMs)
    history.insert(timeMs, this.#columns.hold())
    run.windowed.push(index)
    if (emit === 'final' || !isWanted) return null
    return this.#result(history, { endMs, isFinal: false, cause: index })
  }

  #read({ events }: FlowBatch, index: number): TidemarkError | null {
    try {
      const bad = this.#columns.read(events, index)
      return bad === null ? null : badColumn(bad)
    } catch (cause) {
      return threw(cause)
    }
  }

  #begin(key: number): History {
    this.#context.use.keys++
    this.#context.keys.hold(key)
    return this.#histories.begin(key)
  }

  #evict(key: number): void {
    this.#histories.evict(false)
    this.#context.use.keys--
    this.#context.keys.release(key)
  }

  #result(
    history: History,
    { endMs, isFinal, cause }: Pick<WindowResult, 'endMs' | 'isFinal' | 'cause'>,
  ): WindowResult {
    const key = this.#context.keys.cellOf(history.key) as string
    const startMs = endMs - this.#step.lengthMs
    const range = { afterMs: startMs - 1, upToMs: endMs - 1, timeMs: endMs }
    this.#walk.writeRange(history, range, this.#row)
    const event: Record<string, unknown> = { key, windowStartMs: startMs, windowEndMs: endMs }
    if (this.#step.emit === 'early') event['isFinal'] = isFinal
    for (const [at, [name, aggregate]] of this.#fields.entries()) {
      event[name] = this.#columns.valueOf(aggregate, this.#row[at] as number)
    }
    return { key, keyNumber: history.key, startMs, endMs, isFinal, cause, event }
  }

  /** By UTF-16 code units, the same on every machine. */
  readonly #byText = (a: number, b: number): number => {
    const { keys } = this.#context
    const [text, other] = [keys.cellOf(a), keys.cellOf(b)]
    return text < other ? -1 : text > other ? 1 : 0
  }
}

function* withRest(first: Results, { results }: Turn): Results {
  yield* first
  if (results.length > 0) yield results
}

/** Each result has the time of its window's last millisecond, so that none is late. */
function batchOf(windows: readonly WindowResult[]): FlowBatch {
  const timesMs = Float64Array.from(windows, (w) => w.endMs - 1)
  const events = windows.map((w) => w.event)
  return {
    count: windows.length,
    indices: windows.map((_, index) => index),
    events,
    source: events,
    keys: windows.map((w) => w.keyNumber),
    timesMs,
    watermarksMs: timesMs,
    late: NO_EVENTS,
    degraded: NONE_DEGRADED,
    windows,
    features: null,
  }
}
