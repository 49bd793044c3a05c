import { startOfWindow } from '../kernel/time.ts'
import type { Events, Read, Reader } from '../plan/events.ts'
import type { Aggregate } from '../topology/aggregates/table.ts'
import type { EventFunction, FeaturesStep, KindDefinition } from '../topology/definition.ts'
import { type BadCell, EventColumns } from './event-columns.ts'
import { Expiry } from './expiry.ts'
import { History } from './history.ts'
import { LastClosed } from './last-closed.ts'
import { isMissing } from './missing.ts'
import { KEY_BYTES, type StateUse } from './state-limits.ts'
import { WindowWalk } from './window-walk.ts'

// The windows of all keys over the events of one kind.

/** When an event of a key came, and the watermark once it had. */
export interface Moment {
  readonly key: string
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

/** Tumbling windows of one length, up to the event at hand. */
interface Current {
  readonly lengthMs: number
  readonly walk: WindowWalk
}

interface Aggregated {
  readonly feature: number
  readonly lengthMs: number
  readonly aggregate: Aggregate
}

export class KindWindows {
  readonly #is: Read<boolean> | null
  /** What an event must have to be of the kind. */
  readonly #has: Read<unknown> | null
  readonly #columns: EventColumns
  readonly #rolling: WindowWalk
  readonly #current: readonly Current[]
  readonly #lastClosed: readonly LastClosed[]
  readonly #sinceLast: readonly SinceLast[]
  readonly #sinceLastEver: readonly SinceLastEver[]
  readonly #use: StateUse
  readonly #histories = new Map<string, History>()
  /** What must outlive the windows for `sinceLastEver`: the newest event time of keys that have gone silent. */
  readonly #lastTimes = new Map<string, number>()
  /** A key is let go when its newest event is this far behind the watermark. */
  readonly #retentionMs: number
  readonly #expiry: Expiry

  constructor(
    step: FeaturesStep,
    kind: number,
    { reader, use }: { readonly reader: Reader; readonly use: StateUse },
  ) {
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
    this.#use = use
  }

  /** Bytes that the windows hold. */
  get bytes(): number {
    const kept = this.#lastClosed.reduce((sum, l) => sum + l.size, 0) + this.#lastTimes.size
    return this.#columns.bytes + KEY_BYTES * this.#histories.size + KEPT_BYTES * kept
  }

  /** Texts that the windows hold. */
  get texts(): number {
    return this.#columns.texts
  }

  /** Is the event of this kind? May throw what the author's function throws. */
  takes(events: Events, index: number): boolean {
    if (this.#is !== null && !this.#is(events, index)) return false
    return this.#has === null || !isMissing(this.#has(events, index))
  }

  /** Reads the event's columns; gives the first cell that a window cannot hold. */
  read(events: Events, index: number): BadCell | null {
    return this.#columns.read(events, index)
  }

  /** Does it hold memory for the key? */
  has(key: string): boolean {
    return this.#histories.has(key) || this.#lastTimes.has(key)
  }

  /**
   * Takes an event: enters it, with the columns that were read last, and writes its window features into `row`; or only one
   * of both. An event that does not enter (it is of another kind, or late) sees the events up to its own time.
   */
  take(moment: Moment, enters: boolean, row: Float64Array | null): void {
    const { key, timeMs, watermarkMs } = moment
    const history = enters ? this.#historyOf(key, timeMs) : (this.#histories.get(key) ?? null)
    // What an event sees depends on the watermark, not on what happens to be still in memory.
    if (history !== null) this.#passTime(history, watermarkMs)
    const looksBack = this.#sinceLast.length + this.#sinceLastEver.length > 0
    const previousMs = looksBack ? this.#previousMs(key, history, timeMs) : 0
    if (enters) history?.insert(timeMs, this.#columns.hold())
    if (row === null) return
    const floorMs = watermarkMs - this.#rolling.longestMs
    this.#rolling.write(history, { timeMs, floorMs }, row)
    for (const { lengthMs, walk } of this.#current) {
      const startMs = startOfWindow(Math.max(timeMs, watermarkMs), lengthMs)
      walk.writeRange(history, { afterMs: startMs - 1, upToMs: timeMs, timeMs }, row)
    }
    for (const lastClosed of this.#lastClosed) lastClosed.write(key, row)
    if (looksBack) this.#writeSinceLast(moment, previousMs, row)
  }

  /** Lets go keys that the watermark has left behind, looking at no more than `most`. */
  sweep(watermarkMs: number, most: number): void {
    this.#expiry.sweep(watermarkMs, most, (history) => {
      this.#passTime(history, watermarkMs)
      this.#histories.delete(history.key)
      if (this.#sinceLastEver.length > 0) this.#lastTimes.set(history.key, history.newestMs)
      else this.#use.keys--
      history.free()
    })
  }

  /** Drops what the watermark has passed; the values of closed windows are taken first. */
  #passTime(history: History, watermarkMs: number): void {
    let cutMs = watermarkMs - this.#rolling.longestMs
    for (const { lengthMs } of this.#current) {
      cutMs = Math.min(cutMs, startOfWindow(watermarkMs, lengthMs) - 1)
    }
    for (const lastClosed of this.#lastClosed) {
      lastClosed.close(history, watermarkMs)
      cutMs = Math.min(cutMs, startOfWindow(watermarkMs, lastClosed.lengthMs) - 1)
    }
    history.prune(cutMs)
  }

  #writeSinceLast({ timeMs, watermarkMs }: Moment, previousMs: number, row: Float64Array): void {
    const elapsed = (timeMs - previousMs) / 1_000
    // A late event may lie before the newest event that was pruned: what came before it is forgotten.
    const isKnown = previousMs !== Number.NEGATIVE_INFINITY && elapsed >= 0
    for (const { feature, capSeconds, never } of this.#sinceLastEver) {
      row[feature] = isKnown ? Math.min(elapsed, capSeconds) : never
    }
    for (const { feature, lengthMs, empty } of this.#sinceLast) {
      // A time that may be swept away counts as forgotten, swept or not.
      const afterMs = Math.max(timeMs - lengthMs, watermarkMs - this.#retentionMs)
      row[feature] = isKnown && previousMs > afterMs ? elapsed : empty
    }
  }

  /** Event time of the newest event that came before one at `timeMs` which is about to enter; −Infinity if there was none. */
  #previousMs(key: string, history: History | null, timeMs: number): number {
    if (history === null) return this.#lastTimes.get(key) ?? Number.NEGATIVE_INFINITY
    const latestMs = history.latestUpTo(timeMs)
    return latestMs === Number.NEGATIVE_INFINITY ? history.newestPrunedMs : latestMs
  }

  #historyOf(key: string, timeMs: number): History {
    const known = this.#histories.get(key)
    if (known !== undefined) return known
    const lastMs = this.#lastTimes.get(key) ?? Number.NEGATIVE_INFINITY
    const history = new History(this.#columns.layout, key, lastMs)
    if (!this.#lastTimes.delete(key)) this.#use.keys++
    this.#histories.set(key, history)
    this.#expiry.file(history, timeMs)
    return history
  }

  #walkOver(features: readonly Aggregated[]): WindowWalk {
    const windows = features.map((f) => ({ ...f, ...this.#columns.placeOf(f.aggregate) }))
    return new WindowWalk(windows, this.#columns.layout)
  }
}

/** About what is left of a key that has gone silent. */
const KEPT_BYTES = 120

function byLength(features: readonly Aggregated[]): [number, Aggregated[]][] {
  const groups = new Map<number, Aggregated[]>()
  for (const feature of features) {
    const group = groups.get(feature.lengthMs)
    if (group === undefined) groups.set(feature.lengthMs, [feature])
    else group.push(feature)
  }
  return [...groups]
}
