import { startOfWindow } from '../../kernel/time.ts'
import type { EventColumns } from './event-columns.ts'
import type { History } from './history.ts'
import { type WindowFeature, WindowWalk } from './window-walk.ts'

interface ClosedWindow {
  readonly startMs: number
  readonly values: Float64Array
}

/** By key, the newest closed window with events, computed before these are pruned. */
export class LastClosed {
  readonly #lengthMs: number
  readonly #walk: WindowWalk
  readonly #features: readonly number[]
  readonly #byKey = new Map<number, ClosedWindow>()
  /** The values of a key without a closed window. */
  readonly #none: Float64Array

  constructor(lengthMs: number, features: readonly WindowFeature[], columns: EventColumns) {
    this.#lengthMs = lengthMs
    const values = features.map((of, feature) => ({ ...of, feature }))
    this.#walk = new WindowWalk(values, columns)
    this.#features = features.map(({ feature }) => feature)
    this.#none = this.#valuesOf(null, 0)
  }

  get size(): number {
    return this.#byKey.size
  }

  record(history: History, watermarkMs: number): void {
    const closed = this.#closedBy(history, watermarkMs)
    if (closed !== null) this.#byKey.set(history.key, closed)
  }

  write(key: number, row: Float64Array): void {
    this.#write(this.#byKey.get(key)?.values, row)
  }

  /** Writes what it would be behind a watermark. */
  writeAt(watermarkMs: number, history: History, row: Float64Array): void {
    const closed = this.#closedBy(history, watermarkMs) ?? this.#byKey.get(history.key)
    this.#write(closed?.values, row)
  }

  /** `null`: no window has closed after the known one. */
  #closedBy(history: History, watermarkMs: number): ClosedWindow | null {
    const openMs = startOfWindow(watermarkMs, this.#lengthMs)
    const newestMs = history.latestUpTo(openMs - 1)
    if (newestMs === Number.NEGATIVE_INFINITY) return null
    const startMs = startOfWindow(newestMs, this.#lengthMs)
    const known = this.#byKey.get(history.key)
    if (known !== undefined && known.startMs >= startMs) return null
    return { startMs, values: this.#valuesOf(history, startMs) }
  }

  #write(values = this.#none, row: Float64Array): void {
    for (let f = 0; f < this.#features.length; f++) {
      row[this.#features[f] as number] = values[f] as number
    }
  }

  #valuesOf(history: History | null, startMs: number): Float64Array {
    const values = new Float64Array(this.#features.length)
    const endMs = startMs + this.#lengthMs
    const range = { afterMs: startMs - 1, upToMs: endMs - 1, timeMs: endMs }
    this.#walk.writeRange(history, range, values)
    return values
  }
}
