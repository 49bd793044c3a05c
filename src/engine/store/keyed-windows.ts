import type { Events, Read, Reader } from '../../columns/events.ts'
import { groupedBy } from '../../kernel/grouped.ts'
import { startOfWindow } from '../../kernel/time.ts'
import type {
  EventFunction,
  FeatureDefinition,
  FeaturesStep,
  KindDefinition,
} from '../../topology/definition.ts'
import type { Dictionary } from './dictionary.ts'
import {
  type BadCell,
  EventColumns,
  isMissing,
  type NamedRead,
  readColumn,
} from './event-columns.ts'
import { Expiry } from './expiry.ts'
import { Histories, type NextEvents } from './histories.ts'
import type { History } from './history.ts'
import { LastClosed } from './last-closed.ts'
import { type HeldState, HISTORY_BYTES, KEPT_BYTES, type StateUse } from './state-limits.ts'
import { WindowWalk } from './window-walk.ts'

/** A key at a time, ms since the epoch; the watermark is the one after the event arrived. */
export interface EventMoment {
  readonly key: number
  readonly timeMs: number
  readonly watermarkMs: number
}

/** A feature, with its place among those of the step. */
type Numbered<From> = Extract<FeatureDefinition, { from: From }> & { readonly feature: number }

/** A column that must be true. */
interface Condition extends NamedRead {
  readonly isOptional: boolean
}

interface WindowsContext {
  readonly reader: Reader
  readonly keys: Dictionary
  readonly use: StateUse
}

/** The windows of all keys over the events of one kind in a features step. */
export class KeyedWindows implements HeldState {
  readonly #is: Read<boolean> | null
  /** The column that an event of the kind must have. */
  readonly #has: NamedRead | null
  readonly #where: Condition | null
  readonly #columns: EventColumns
  readonly #rolling: WindowWalk
  /** Windows without the event itself, read before it enters; `null`: there are none. */
  readonly #before: WindowWalk | null
  /** Tumbling windows of one length, up to the current event. */
  readonly #current: readonly { readonly lengthMs: number; readonly walk: WindowWalk }[]
  readonly #lastClosed: readonly LastClosed[]
  /** The lengths of all tumbling windows. */
  readonly #tumblingMs: readonly number[]
  readonly #sinceLast: readonly Numbered<'sinceLast'>[]
  readonly #sinceLastEver: readonly (Numbered<'sinceLastEver'> & { readonly capSeconds: number })[]
  readonly #context: WindowsContext
  readonly #histories: Histories
  /** The longest rolling window. */
  readonly #longestMs: number
  /** Is the current event of this kind? */
  #isMatch = false
  /** A key is evicted when its newest event is this far behind the watermark. */
  readonly #retentionMs: number
  readonly #expiry: Expiry

  constructor(step: FeaturesStep, kind: number, context: WindowsContext) {
    const { reader, keys } = context
    const { is, has, where, columns } = step.kinds[kind] as KindDefinition
    const features = step.features
      .map((f, feature) => ({ ...f, feature }))
      .filter((f) => f.kind === kind)
    const rolling = features.filter((f) => f.from === 'rolling')
    const tumbling = features.filter((f) => f.from === 'tumbling')
    const current = tumbling.filter((f) => f.which === 'current')
    const lastClosed = tumbling.filter((f) => f.which === 'lastClosed')
    const aggregated = [...rolling, ...current, ...lastClosed]
    this.#is = is === null ? null : reader(is)
    this.#has =
      has === undefined ? null : { name: has, read: reader(columns[has] as EventFunction<unknown>) }
    this.#where = where ? { ...where, name: where.column, read: reader(where.of) } : null
    this.#columns = new EventColumns(
      columns,
      aggregated.map((a) => a.aggregate),
      { reader, precision: 'float32', hash: keys.hash },
    )
    this.#rolling = new WindowWalk(
      rolling.filter((f) => f.before !== true),
      this.#columns,
    )
    const before = rolling.filter((f) => f.before === true)
    this.#before = before.length === 0 ? null : new WindowWalk(before, this.#columns)
    this.#longestMs = Math.max(0, ...rolling.map((f) => f.lengthMs))
    this.#current = [...groupedBy(current, (f) => f.lengthMs)].map(([lengthMs, of]) => {
      return { lengthMs, walk: new WindowWalk(of, this.#columns) }
    })
    this.#lastClosed = [...groupedBy(lastClosed, (f) => f.lengthMs)].map(([lengthMs, of]) => {
      return new LastClosed(lengthMs, of, this.#columns)
    })
    this.#tumblingMs = [...new Set(tumbling.map((f) => f.lengthMs))]
    this.#sinceLast = features.filter((f) => f.from === 'sinceLast')
    this.#sinceLastEver = features
      .filter((f) => f.from === 'sinceLastEver')
      .map((f) => ({ ...f, capSeconds: (f.capMs ?? Number.POSITIVE_INFINITY) / 1_000 }))
    const lengths = [...aggregated, ...this.#sinceLast].map((f) => f.lengthMs)
    this.#retentionMs = Math.max(0, ...lengths)
    this.#expiry = new Expiry(this.#retentionMs)
    this.#context = context
    this.#histories = new Histories(this.#columns.layout)
  }

  get bytes(): number {
    const { size, remembered } = this.#histories
    const closed = this.#lastClosed.reduce((sum, l) => sum + l.size, 0)
    return this.#columns.bytes + HISTORY_BYTES * (size + remembered) + KEPT_BYTES * closed
  }

  get texts(): number {
    return this.#columns.texts
  }

  /** May throw whatever the author's function throws. */
  isOf(events: Events, index: number): boolean {
    return this.#is === null || this.#is.of(events, index)
  }

  /**
   * Reads an event's columns, if it is of this kind. May throw whatever the author's function throws.
   * @returns whether it is; or the first bad cell
   */
  read(events: Events, index: number): boolean | BadCell {
    this.#isMatch = false
    if (!this.isOf(events, index)) return false
    if (this.#has !== null && isMissing(readColumn(this.#has, events, index))) return false
    const isTrue = this.#where === null || holds(this.#where, events, index)
    if (isTrue !== true) return isTrue
    const bad = this.#columns.read(events, index)
    this.#isMatch = bad === null
    return bad ?? true
  }

  /** Reads the next events ahead, unless some may be of other kinds. */
  readAhead(next: NextEvents): void {
    if (this.#is === null && this.#where === null) this.#columns.readAhead(next)
  }

  touch(next: NextEvents, from: number, to: number): void {
    if (this.#is === null && this.#where === null) this.#histories.touch(next, from, to)
  }

  has(key: number): boolean {
    return this.#histories.has(key)
  }

  /** Writes the features of a key at a time. */
  peek(moment: EventMoment, row: Float64Array): void {
    this.#isMatch = false
    this.preview(moment, false, row)
  }

  /**
   * Writes the row that {@link process} would, and keeps nothing. Nothing is pruned either: the
   * watermark of the event is not that of the partition.
   */
  preview(moment: EventMoment, enters: boolean, row: Float64Array): void {
    const { key, timeMs, watermarkMs } = moment
    const histories = this.#histories
    const history = enters ? histories.preview(key, timeMs) : histories.of(key)
    const previousMs = this.#previousMs(key, history, timeMs, this.#cutMs(watermarkMs))
    const closed = this.#lastClosed
    // Computed before the event enters, like a window that its watermark closes.
    if (history !== null) for (const of of closed) of.writeAt(watermarkMs, history, row)
    else for (const of of closed) of.write(key, row)
    this.#writeBefore(moment, history, row)
    if (enters) history?.insert(timeMs, this.#columns.numbers)
    this.#writeWindows(moment, history, row)
    this.#writeSinceLast(moment, previousMs, row)
    if (enters) histories.endPreview()
  }

  /** An event that does not enter sees the events up to its own time. */
  process(moment: EventMoment, enters: boolean, row: Float64Array | null): void {
    const { key, timeMs, watermarkMs } = moment
    const known = this.#histories.of(key)
    const history = known === null && enters ? this.#begin(moment) : known
    // An event sees the same whether or not older events are still in memory.
    if (history !== null) this.#prune(history, watermarkMs)
    const looksBack = this.#sinceLast.length + this.#sinceLastEver.length > 0
    const previousMs = looksBack ? this.#previousMs(key, history, timeMs) : 0
    if (row !== null && this.#before !== null) this.#writeBefore(moment, history, row)
    if (enters) history?.insert(timeMs, this.#columns.hold())
    if (row === null) return
    this.#writeWindows(moment, history, row)
    for (const lastClosed of this.#lastClosed) lastClosed.write(key, row)
    if (looksBack) this.#writeSinceLast(moment, previousMs, row)
  }

  #writeBefore(
    { timeMs, watermarkMs }: EventMoment,
    history: History | null,
    row: Float64Array,
  ): void {
    if (this.#before === null) return
    this.#before.own = this.#isMatch ? this.#columns.numbers : null
    this.#before.write(history, timeMs, watermarkMs - this.#longestMs, row)
  }

  #writeWindows(
    { timeMs, watermarkMs }: EventMoment,
    history: History | null,
    row: Float64Array,
  ): void {
    this.#rolling.write(history, timeMs, watermarkMs - this.#longestMs, row)
    for (const { lengthMs, walk } of this.#current) {
      const startMs = startOfWindow(Math.max(timeMs, watermarkMs), lengthMs)
      walk.writeRange(history, { afterMs: startMs - 1, upToMs: timeMs, timeMs }, row)
    }
  }

  expire(watermarkMs: number, most: number): void {
    this.#expiry.sweep(watermarkMs, most, {
      newestMsOf: (key) => (this.#histories.of(key) as History).newestMs,
      evict: (key) => this.#evict(key, watermarkMs),
    })
    this.#columns.expire(most)
  }

  #evict(key: number, watermarkMs: number): void {
    this.#prune(this.#histories.of(key) as History, watermarkMs)
    this.#histories.evict(this.#remembers)
    if (this.#remembers) return
    this.#context.use.keys--
    this.#context.keys.release(key)
  }

  /** Is the time of a key's newest event kept for ever? */
  get #remembers(): boolean {
    return this.#sinceLastEver.length + this.#lastClosed.length > 0
  }

  /** Drops the events that the watermark has passed, after recording closed windows. */
  #prune(history: History, watermarkMs: number): void {
    for (const lastClosed of this.#lastClosed) lastClosed.record(history, watermarkMs)
    history.prune(this.#cutMs(watermarkMs))
  }

  /** Events up to this time are dropped. */
  #cutMs(watermarkMs: number): number {
    let cutMs = watermarkMs - this.#longestMs
    for (const lengthMs of this.#tumblingMs) {
      cutMs = Math.min(cutMs, startOfWindow(watermarkMs, lengthMs) - 1)
    }
    return cutMs
  }

  #writeSinceLast(
    { timeMs, watermarkMs }: EventMoment,
    previousMs: number,
    row: Float64Array,
  ): void {
    const elapsed = (timeMs - previousMs) / 1_000
    // A late event may be older than the newest pruned one: what came before it is forgotten.
    const isKnown = previousMs !== Number.NEGATIVE_INFINITY && elapsed >= 0
    for (const { feature, capSeconds, never } of this.#sinceLastEver) {
      row[feature] = isKnown ? Math.min(elapsed, capSeconds) : never
    }
    for (const { feature, lengthMs, empty } of this.#sinceLast) {
      // A time that may have been evicted counts as forgotten, evicted or not.
      const afterMs = Math.max(timeMs - lengthMs, watermarkMs - this.#retentionMs)
      row[feature] = isKnown && previousMs > afterMs ? elapsed : empty
    }
  }

  /**
   * Event time of the last event before one at `timeMs`; −Infinity: there was none. @param cutMs
   * events up to this time count as dropped. @default those that are held do not
   */
  #previousMs(
    key: number,
    history: History | null,
    timeMs: number,
    cutMs = Number.NEGATIVE_INFINITY,
  ): number {
    if (history === null) return this.#histories.lastMsOf(key)
    const latestMs = history.latestUpTo(timeMs)
    if (latestMs > cutMs) return latestMs
    return Math.max(history.newestPrunedMs, history.latestUpTo(cutMs))
  }

  #begin({ key, timeMs }: EventMoment): History {
    if (!this.#histories.has(key)) {
      this.#context.use.keys++
      this.#context.keys.hold(key)
    }
    this.#expiry.file(key, timeMs)
    return this.#histories.begin(key)
  }
}

/** Whether a condition of {@link KindDefinition.where} holds, or its bad cell. */
function holds(condition: Condition, events: Events, index: number): boolean | BadCell {
  const { name, isOptional } = condition
  const value = readColumn(condition, events, index)
  if (typeof value === 'boolean') return value
  return isOptional && isMissing(value) ? false : { column: name, wanted: 'boolean', got: value }
}
