import type { EventFunction, FeaturesStep, KindDefinition } from '../topology/definition.ts'
import { Dictionary } from './dictionary.ts'
import { History, type Layout } from './history.ts'
import { Slabs } from './slabs.ts'
import { type WindowFeature, WindowWalk } from './window-walk.ts'

// The windows of all keys over the events of one kind.

type ColumnType = 'number' | 'string' | 'boolean'

interface Column {
  readonly name: string
  readonly type: ColumnType
  readonly of: EventFunction<unknown>
}

/** A column gave something that a window cannot hold. */
export interface BadCell {
  readonly column: string
  readonly wanted: ColumnType
  readonly got: unknown
}

/** When an event of a key came, and the watermark it met. */
export interface Moment {
  readonly key: string
  readonly timeMs: number
  readonly watermarkMs: number
}

interface SinceLast {
  readonly feature: number
  readonly capSeconds: number
  readonly never: number
}

const COLUMN_TYPE = {
  sum: 'number',
  mean: 'number',
  min: 'number',
  max: 'number',
  std: 'number',
  quantile: 'number',
  distinct: 'string',
  countWhere: 'boolean',
  share: 'boolean',
} as const satisfies Record<string, ColumnType>

/** How many idle keys are looked at for each event that comes: enough to keep up with new keys, cheap enough not to show. */
const SWEEP_PER_EVENT = 2

export class KindWindows {
  readonly #is: KindDefinition['is']
  readonly #columns: readonly Column[]
  readonly #layout: Layout
  readonly #walk: WindowWalk
  readonly #sinceLast: readonly SinceLast[]
  /** One for each text column, by its index in {@link #columns}. */
  readonly #dictionaries: readonly (Dictionary | null)[]
  /** Of the event at hand, by column. */
  readonly #cells: unknown[] = []
  /** The same as numbers. */
  readonly #numbers: Float64Array
  readonly #histories = new Map<string, History>()
  /** What must outlive the windows: the newest event time of keys that have gone silent. */
  readonly #lastTimes = new Map<string, number>()
  /** A key is let go when its newest event is this far behind the watermark. */
  readonly #retentionMs: number
  /** Must the time of a key's last event outlive all windows? Not where the cap is what `never` says. */
  readonly #remembersForEver: boolean
  #sweep = this.#histories.values()

  constructor(step: FeaturesStep, kind: number) {
    const definition = step.kinds[kind] as KindDefinition
    this.#is = definition.is
    this.#columns = columnsOf(step, kind)
    const columnIndex = new Map(this.#columns.map((c, i) => [c.name, i + 1]))
    const summed = this.#columns.flatMap((c, i) => (c.type === 'string' ? [] : [i + 1]))
    const windows = step.features.flatMap((f, feature): WindowFeature[] => {
      if (f.from !== 'rolling' || f.kind !== kind) return []
      const column = 'column' in f.aggregate ? (columnIndex.get(f.aggregate.column) as number) : 0
      return [
        {
          lengthMs: f.lengthMs,
          aggregate: f.aggregate,
          column,
          summed: summed.indexOf(column),
          feature,
        },
      ]
    })
    this.#sinceLast = step.features.flatMap((f, feature): SinceLast[] => {
      if (f.from !== 'sinceLast' || f.kind !== kind) return []
      const capSeconds = f.capMs === null ? Number.POSITIVE_INFINITY : f.capMs / 1_000
      return [{ feature, capSeconds, never: f.never }]
    })
    this.#dictionaries = this.#columns.map((c) => (c.type === 'string' ? new Dictionary() : null))
    const texts = this.#dictionaries.flatMap((dictionary, i) =>
      dictionary === null ? [] : [{ column: i + 1, dictionary }],
    )
    this.#layout = { columns: this.#columns.length + 1, summed, texts, slabs: new Slabs() }
    this.#walk = new WindowWalk(windows, this.#layout)
    this.#numbers = new Float64Array(this.#columns.length)
    const bounded = this.#sinceLast.filter((s) => s.never === s.capSeconds)
    this.#remembersForEver = bounded.length < this.#sinceLast.length
    this.#retentionMs = Math.max(this.#walk.longestMs, ...bounded.map((s) => s.capSeconds * 1_000))
  }

  /** Keys that hold memory. */
  get keys(): number {
    return this.#histories.size + this.#lastTimes.size
  }

  /** Is the event of this kind? May throw what the author's function throws. */
  takes(event: unknown): boolean {
    return this.#is === null || this.#is(event)
  }

  /** Reads the event's columns; gives the first cell that a window cannot hold. */
  read(event: unknown): BadCell | null {
    for (let c = 0; c < this.#columns.length; c++) {
      const { name, type, of } = this.#columns[c] as Column
      const value = of(event)
      const fits = type === 'number' ? Number.isFinite(value) : typeof value === type
      if (!fits) return { column: name, wanted: type, got: value }
      this.#cells[c] = value
    }
    return null
  }

  /**
   * Takes an event: enters it, with the columns that were read last, and writes its window features into `row`; or only one
   * of both. An event that does not enter (it is of another kind, or late) sees the events up to its own time.
   */
  take(moment: Moment, enters: boolean, row: Float64Array | null): void {
    const { key, timeMs, watermarkMs } = moment
    // Before the event enters: one that stands exactly at the watermark must not be swept away under its own row.
    if (enters) this.#sweepOn(watermarkMs)
    const history = enters ? this.#historyOf(key) : (this.#histories.get(key) ?? null)
    // What an event sees depends on the watermark, not on what happens to be still in memory.
    const floorMs = watermarkMs - this.#walk.longestMs
    history?.prune(floorMs)
    const seenMs = this.#sinceLast.length === 0 ? 0 : this.#previousMs(key, history, timeMs)
    if (enters) this.#enter(history as History, timeMs)
    if (row === null) return
    this.#walk.write(history, { timeMs, floorMs }, row)
    if (this.#sinceLast.length === 0) return
    const previousMs = this.#remembered(seenMs, watermarkMs)
    for (const { feature, capSeconds, never } of this.#sinceLast) {
      const elapsed = (timeMs - previousMs) / 1_000
      // A late event may lie before the newest event that was pruned: what came before it is forgotten.
      const known = previousMs !== Number.NEGATIVE_INFINITY && elapsed >= 0
      row[feature] = known ? Math.min(elapsed, capSeconds) : never
    }
  }

  #enter(history: History, timeMs: number): void {
    for (let c = 0; c < this.#columns.length; c++) {
      const cell = this.#cells[c]
      this.#numbers[c] = this.#dictionaries[c]?.hold(cell as string) ?? Number(cell)
    }
    history.insert(timeMs, this.#numbers)
  }

  /** Event time of the newest event that came before one at `timeMs` which is about to enter; −Infinity if there was none. */
  #previousMs(key: string, history: History | null, timeMs: number): number {
    if (history === null) return this.#lastTimes.get(key) ?? Number.NEGATIVE_INFINITY
    const latestMs = history.latestUpTo(timeMs)
    return latestMs === Number.NEGATIVE_INFINITY ? history.newestPrunedMs : latestMs
  }

  /** A time that may be swept away counts as forgotten, swept or not. */
  #remembered(previousMs: number, watermarkMs: number): number {
    const kept = this.#remembersForEver || previousMs > watermarkMs - this.#retentionMs
    return kept ? previousMs : Number.NEGATIVE_INFINITY
  }

  #historyOf(key: string): History {
    const known = this.#histories.get(key)
    if (known !== undefined) return known
    const lastMs = this.#lastTimes.get(key) ?? Number.NEGATIVE_INFINITY
    const history = new History(this.#layout, key, lastMs)
    this.#lastTimes.delete(key)
    this.#histories.set(key, history)
    return history
  }

  /** Lets silent keys go, a few at a time. What a row sees does not depend on when. */
  #sweepOn(watermarkMs: number): void {
    for (let n = 0; n < SWEEP_PER_EVENT; n++) {
      const { done, value: history } = this.#sweep.next()
      if (done === true) {
        this.#sweep = this.#histories.values()
        return
      }
      if (history.newestMs > watermarkMs - this.#retentionMs) continue
      history.prune(watermarkMs - this.#walk.longestMs)
      this.#histories.delete(history.key)
      if (this.#remembersForEver) this.#lastTimes.set(history.key, history.newestMs)
      history.free()
    }
  }
}

/** The columns that some window of this kind uses; how it uses them decides their type. */
function columnsOf(step: FeaturesStep, kind: number): Column[] {
  const definition = step.kinds[kind] as KindDefinition
  const types = new Map<string, ColumnType>()
  for (const feature of step.features) {
    if (feature.from !== 'rolling' || feature.kind !== kind) continue
    const { aggregate } = feature
    if (aggregate.of !== 'count') types.set(aggregate.column, COLUMN_TYPE[aggregate.of])
  }
  return [...types].map(([name, type]) => ({
    name,
    type,
    of: definition.columns[name] as EventFunction<unknown>,
  }))
}
