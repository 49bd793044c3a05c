import { startOfWindow } from '../kernel/time.ts'
import type { Events, Read, Reader } from '../plan/events.ts'
import type { Aggregate } from '../topology/aggregates.ts'
import type { EventFunction, FeaturesStep, KindDefinition } from '../topology/definition.ts'
import type { Dictionary } from './dictionary.ts'
import { type BadCell, EventColumns } from './event-columns.ts'
import type { Flow } from './events.ts'
import { Expiry } from './expiry.ts'
import { Histories } from './histories.ts'
import type { History } from './history.ts'
import { readHistory, writeHistory } from './history-bytes.ts'
import type { KeyedState, Peeked } from './keyed-state.ts'
import { LastClosed } from './last-closed.ts'
import { isMissing } from './missing.ts'
import { StateReader, StateWriter } from './state-bytes.ts'
import { HISTORY_BYTES, KEPT_BYTES, type StateUse } from './state-limits.ts'
import { WindowWalk } from './window-walk.ts'

// The windows of all keys over the events of one kind.

/** The key and time of an event, and the watermark after it arrived. */
export interface EventMoment {
  readonly key: number
  readonly timeMs: number
  readonly watermarkMs: number
}

/** Seconds since the last event in a window. */
interface SinceLast {
  readonly feature: number
  readonly lengthMs: number
  readonly empty: number
}

/** Seconds since the last event, however long ago. */
interface SinceLastEver {
  readonly feature: number
  readonly capSeconds: number
  readonly never: number
}

/** Tumbling windows of one length, up to the current event. */
interface Current {
  readonly lengthMs: number
  readonly walk: WindowWalk
}

/** Tags of an encoded key: only the time of its newest event, or its events. */
const REMEMBERED = 0
const HELD = 1

interface Aggregated {
  readonly feature: number
  readonly lengthMs: number
  readonly aggregate: Aggregate
}

/** What all windows of a task use. */
export interface WindowsContext {
  /** How functions are evaluated on events. */
  readonly reader: Reader
  /** Numbers of the events' keys. */
  readonly keys: Dictionary
  readonly use: StateUse
}

/** The windows of all keys over the events of one kind in a features step. */
export class KindWindows implements KeyedState {
  readonly #names: readonly string[]
  /** Indices of the features that are computed over its windows. */
  readonly #features: readonly number[]
  readonly #is: Read<boolean> | null
  /** The column that an event must have to be of the kind. */
  readonly #has: Read<unknown> | null
  readonly #columns: EventColumns
  readonly #rolling: WindowWalk
  readonly #current: readonly Current[]
  readonly #lastClosed: readonly LastClosed[]
  readonly #sinceLast: readonly SinceLast[]
  readonly #sinceLastEver: readonly SinceLastEver[]
  readonly #keys: Dictionary
  readonly #use: StateUse
  readonly #histories: Histories
  /** A key is evicted when its newest event is this far behind the watermark. */
  readonly #retentionMs: number
  readonly #expiry: Expiry

  constructor(step: FeaturesStep, kind: number, { reader, keys, use }: WindowsContext) {
    const definition = step.kinds[kind] as KindDefinition
    const rolling: Aggregated[] = []
    const current: Aggregated[] = []
    const lastClosed: Aggregated[] = []
    const sinceLast: SinceLast[] = []
    const sinceLastEver: SinceLastEver[] = []
    for (const [feature, f] of step.features.entries()) {
      if (f.kind !== kind) continue
      if (f.from === 'rolling') rolling.push({ ...f, feature })
      else if (f.from === 'tumbling')
        (f.which === 'current' ? current : lastClosed).push({ ...f, feature })
      else if (f.from === 'sinceLast') sinceLast.push({ ...f, feature })
      else if (f.from === 'sinceLastEver') {
        const capSeconds = f.capMs === null ? Number.POSITIVE_INFINITY : f.capMs / 1_000
        sinceLastEver.push({ feature, capSeconds, never: f.never })
      }
    }
    const all = [...rolling, ...current, ...lastClosed]
    const { is, has, columns } = definition
    this.#names = step.features.map((f) => f.name)
    this.#features = [...all, ...sinceLast, ...sinceLastEver].map(({ feature }) => feature)
    this.#is = is === null ? null : reader(is)
    this.#has = has === undefined ? null : reader(columns[has] as EventFunction<unknown>)
    this.#columns = new EventColumns(
      columns,
      all.map((a) => a.aggregate),
      { reader, precision: 'float32' },
    )
    this.#rolling = this.#walkOver(rolling)
    this.#current = byLength(current).map(([lengthMs, of]) => ({
      lengthMs,
      walk: this.#walkOver(of),
    }))
    this.#lastClosed = byLength(lastClosed).map(([lengthMs, of]) => {
      const walk = this.#walkOver(of.map((a, at) => ({ ...a, feature: at })))
      return new LastClosed(
        lengthMs,
        walk,
        of.map((a) => a.feature),
      )
    })
    this.#sinceLast = sinceLast
    this.#sinceLastEver = sinceLastEver
    this.#retentionMs = Math.max(0, ...[...all, ...sinceLast].map((a) => a.lengthMs))
    this.#expiry = new Expiry(this.#retentionMs)
    this.#keys = keys
    this.#use = use
    this.#histories = new Histories(this.#columns.layout)
  }

  /** Bytes held by the windows. */
  get bytes(): number {
    const { size, remembered } = this.#histories
    const closed = this.#lastClosed.reduce((sum, l) => sum + l.size, 0)
    return this.#columns.bytes + HISTORY_BYTES * (size + remembered) + KEPT_BYTES * closed
  }

  /** Texts held by the windows. */
  get texts(): number {
    return this.#columns.texts
  }

  /** Is the event of this kind? May throw whatever the author's function throws. */
  matches(events: Events, index: number): boolean {
    if (this.#is !== null && !this.#is.of(events, index)) return false
    return this.#has === null || !isMissing(this.#has.of(events, index))
  }

  /**
   * Reads what it can of events that are about to be processed; nothing if not all events are of
   * this kind.
   */
  readAhead(flow: Flow): void {
    if (this.#is === null) this.#columns.readAhead(flow)
  }

  /** Prefetches the windows of events that are about to be processed. */
  touch(flow: Flow, from: number, to: number): void {
    if (this.#is === null) this.#histories.touch(flow, from, to)
  }

  /** Reads the event's columns. Returns the first cell that a window cannot hold; `null`: none. */
  read(events: Events, index: number): BadCell | null {
    return this.#columns.read(events, index)
  }

  /** Does it keep anything of the key? */
  has(key: number): boolean {
    return this.#histories.has(key)
  }

  /**
   * Processes an event: enters it with the columns that were read last, or writes its window
   * features into `row`, or both. An event that does not enter (because it is of another kind, or
   * late) sees the events up to its own time.
   */
  process(moment: EventMoment, enters: boolean, row: Float64Array | null): void {
    const { key, timeMs, watermarkMs } = moment
    const known = this.#histories.of(key)
    const history = known === null && enters ? this.#begin(moment) : known
    // What an event sees depends on the watermark, not on what still happens to be in memory.
    if (history !== null) this.#passTime(history, watermarkMs)
    const looksBack = this.#sinceLast.length + this.#sinceLastEver.length > 0
    const previousMs = looksBack ? this.#previousMs(key, history, timeMs) : 0
    if (enters) {
      this.#histories.change()
      history?.insert(timeMs, this.#columns.hold())
    }
    if (row === null) return
    const floorMs = watermarkMs - this.#rolling.longestMs
    this.#rolling.write(history, timeMs, floorMs, row)
    for (const { lengthMs, walk } of this.#current) {
      const startMs = startOfWindow(Math.max(timeMs, watermarkMs), lengthMs)
      walk.writeRange(history, { afterMs: startMs - 1, upToMs: timeMs, timeMs }, row)
    }
    for (const lastClosed of this.#lastClosed) lastClosed.write(key, row)
    if (looksBack) this.#writeSinceLast(moment, previousMs, row)
  }

  get size(): number {
    const { size, remembered } = this.#histories
    return size + remembered
  }

  beginRound(): number {
    return this.#histories.beginRound()
  }

  changedSince(round: number): Generator<readonly number[]> {
    return this.#histories.changedSince(round)
  }

  encode(key: number): Uint8Array | null {
    if (!this.#histories.has(key)) return null
    const into = new StateWriter()
    const history = this.#histories.of(key)
    into.whole(history === null ? REMEMBERED : HELD)
    if (history === null) into.number(this.#histories.lastMsOf(key))
    else writeHistory(history, this.#columns.layout, into)
    for (const lastClosed of this.#lastClosed) lastClosed.encode(key, into)
    return into.end()
  }

  restore(key: number, bytes: Uint8Array): void {
    const from = new StateReader(bytes)
    this.#use.keys++
    this.#keys.hold(key)
    if (from.whole() === REMEMBERED) this.#histories.remember(key, from.number())
    else {
      const history = this.#histories.begin(key)
      readHistory(history, this.#columns.layout, { from, entered: () => {} })
      this.#expiry.file(key, history.newestMs)
    }
    for (const lastClosed of this.#lastClosed) lastClosed.restore(key, from)
  }

  /**
   * The features of the key over the windows of this kind. Features of other kinds, and features
   * without a window, are not included.
   */
  peek(key: number, at: { timeMs: number; watermarkMs: number }): readonly Peeked[] {
    const row = new Float64Array(this.#names.length).fill(Number.NaN)
    this.process({ key, ...at }, false, row)
    const own = new Set(this.#features)
    const peeked = this.#names.flatMap((name, f) =>
      own.has(f) ? [[name, row[f] as number] as const] : [],
    )
    return [Object.fromEntries(peeked)]
  }

  /** Besides the keys, it evicts what only their events held. */
  expire(watermarkMs: number, most: number): void {
    this.#expiry.sweep(watermarkMs, most, {
      newestMsOf: (key) => (this.#histories.of(key) as History).newestMs,
      evict: (key) => this.#evict(key, watermarkMs),
    })
    this.#columns.settle(most)
  }

  #evict(key: number, watermarkMs: number): void {
    this.#passTime(this.#histories.of(key) as History, watermarkMs)
    const remembers = this.#sinceLastEver.length + this.#lastClosed.length > 0
    this.#histories.evict(remembers)
    if (remembers) return
    this.#use.keys--
    this.#keys.release(key)
  }

  /**
   * Drops the events that the watermark has passed; the values of closed windows are recorded
   * first.
   */
  #passTime(history: History, watermarkMs: number): void {
    let cutMs = watermarkMs - this.#rolling.longestMs
    for (const { lengthMs } of this.#current) {
      cutMs = Math.min(cutMs, startOfWindow(watermarkMs, lengthMs) - 1)
    }
    for (const lastClosed of this.#lastClosed) {
      lastClosed.record(history, watermarkMs)
      cutMs = Math.min(cutMs, startOfWindow(watermarkMs, lastClosed.lengthMs) - 1)
    }
    history.prune(cutMs)
  }

  #writeSinceLast(
    { timeMs, watermarkMs }: EventMoment,
    previousMs: number,
    row: Float64Array,
  ): void {
    const elapsed = (timeMs - previousMs) / 1_000
    // A late event may be older than the newest pruned event: what came before it is forgotten.
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
   * Event time of the newest event before one at `timeMs` that is about to enter; −Infinity if
   * there was none.
   */
  #previousMs(key: number, history: History | null, timeMs: number): number {
    if (history === null) return this.#histories.lastMsOf(key)
    const latestMs = history.latestUpTo(timeMs)
    return latestMs === Number.NEGATIVE_INFINITY ? history.newestPrunedMs : latestMs
  }

  #begin({ key, timeMs }: EventMoment): History {
    if (!this.#histories.has(key)) {
      this.#use.keys++
      this.#keys.hold(key)
    }
    this.#expiry.file(key, timeMs)
    return this.#histories.begin(key)
  }

  #walkOver(features: readonly Aggregated[]): WindowWalk {
    const windows = features.map((f) => ({ ...f, ...this.#columns.placeOf(f.aggregate) }))
    return new WindowWalk(windows, this.#columns.layout)
  }
}

function byLength(features: readonly Aggregated[]): [number, Aggregated[]][] {
  const groups = new Map<number, Aggregated[]>()
  for (const feature of features) {
    const group = groups.get(feature.lengthMs)
    if (group === undefined) groups.set(feature.lengthMs, [feature])
    else group.push(feature)
  }
  return [...groups]
}
