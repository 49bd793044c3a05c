import type { Aggregate } from '../topology/definition.ts'
import { variance } from './compensated.ts'
import {
  addSummary,
  addValue,
  BLOCK,
  clearSummary,
  type History,
  type Layout,
  MAX,
  MIN,
  SQUARES,
  SUM,
  SUMMARY,
} from './history.ts'

// All windows of one kind in one walk, from the newest event a row may see to the oldest: at each window's edge the sums so
// far are that window's answer, since the windows are nested.

/** A feature over a window, with where its columns lie and where its value goes. */
export interface WindowFeature {
  readonly lengthMs: number
  readonly aggregate: Aggregate
  /** Column in the history; 0 when the aggregate needs none. */
  readonly column: number
  /** Index among the summed columns; −1 when the aggregate sums nothing. */
  readonly summed: number
  /** Index in the row. */
  readonly feature: number
}

/** A Uint32 holds no more. */
const LAST_WALK = 2 ** 32 - 1

interface WindowPlan {
  readonly lengthMs: number
  readonly features: readonly WindowFeature[]
}

export class WindowWalk {
  readonly #windows: readonly WindowPlan[]
  readonly #summed: readonly number[]
  /** One summary for each summed column, of the events walked so far. */
  readonly #sums: Float64Array
  /** For each text id the walk that saw it last, so that a walk counts a text once. */
  #seen = new Uint32Array(1024)
  #walk = 0

  constructor(features: readonly WindowFeature[], { summed }: Pick<Layout, 'summed'>) {
    const lengths = [...new Set(features.map((f) => f.lengthMs))].toSorted((a, b) => a - b)
    this.#windows = lengths.map((lengthMs) => ({
      lengthMs,
      features: features.filter((f) => f.lengthMs === lengthMs),
    }))
    this.#summed = summed
    this.#sums = new Float64Array(summed.length * SUMMARY)
  }

  get longestMs(): number {
    return this.#windows.at(-1)?.lengthMs ?? 0
  }

  /**
   * Writes the value of every feature over the last `lengthMs` up to an event at `timeMs`: (timeMs − lengthMs, timeMs], and
   * nothing at or before `floorMs` (what the watermark has pruned is gone, whatever is still in memory).
   */
  write(
    history: History | null,
    at: { readonly timeMs: number; readonly floorMs: number },
    row: Float64Array,
  ): void {
    const upTo = this.#begin(history, at.timeMs)
    let from = upTo
    for (const window of this.#windows) {
      if (history !== null)
        from = this.#extend(history, from, Math.max(at.timeMs - window.lengthMs, at.floorMs))
      for (const feature of window.features) {
        row[feature.feature] = this.#value(feature, history, from, upTo)
      }
    }
  }

  /** Writes the value of every feature over the events in (afterMs, upToMs], whatever its own length. */
  writeRange(
    history: History | null,
    range: { readonly afterMs: number; readonly upToMs: number },
    row: Float64Array,
  ): void {
    const upTo = this.#begin(history, range.upToMs)
    const from = history === null ? upTo : this.#extend(history, upTo, range.afterMs)
    for (const { features } of this.#windows) {
      for (const feature of features) {
        row[feature.feature] = this.#value(feature, history, from, upTo)
      }
    }
  }

  /** Clears the sums; where a walk from `timeMs` back begins. */
  #begin(history: History | null, timeMs: number): number {
    for (let s = 0; s < this.#summed.length; s++) clearSummary(this.#sums, s * SUMMARY)
    history?.seal()
    return history?.after(timeMs) ?? 0
  }

  /** Adds the events before `from` that are after `edgeMs`, by whole blocks where it can; returns the first one's index. */
  #extend(history: History, from: number, edgeMs: number): number {
    let i = from
    while (i > history.start) {
      const block = i - BLOCK
      if (
        i % BLOCK === 0 &&
        block >= history.start &&
        i <= history.sealed * BLOCK &&
        history.timeAt(block) > edgeMs
      ) {
        this.#addBlock(history, block / BLOCK)
        i = block
      } else if (history.timeAt(i - 1) > edgeMs) {
        i--
        this.#addEvent(history, i)
      } else break
    }
    return i
  }

  #addBlock(history: History, block: number): void {
    const size = this.#summed.length * SUMMARY
    const summaries = history.summaries as Float64Array
    for (let at = 0; at < size; at += SUMMARY) {
      addSummary(this.#sums, at, summaries, block * size + at)
    }
  }

  #addEvent(history: History, index: number): void {
    for (let s = 0; s < this.#summed.length; s++) {
      const column = history.column(this.#summed[s] as number)
      addValue(this.#sums, s * SUMMARY, history.data[column + index] as number)
    }
  }

  #value(feature: WindowFeature, history: History | null, from: number, to: number): number {
    const count = to - from
    const { aggregate } = feature
    if (count === 0) return 'empty' in aggregate ? aggregate.empty : 0
    const sums = this.#sums
    const at = feature.summed * SUMMARY
    const total = at < 0 ? 0 : (sums[at + SUM] as number) + (sums[at + SUM + 1] as number)
    switch (aggregate.of) {
      case 'count':
        return count
      case 'sum':
      case 'countWhere':
        return total
      case 'mean':
      case 'share':
        return total / count
      case 'min':
        return sums[at + MIN] as number
      case 'max':
        return sums[at + MAX] as number
      case 'std':
        // Equal values have no deviation at all, not one of 1e-16.
        if (sums[at + MIN] === sums[at + MAX]) return 0
        return Math.sqrt(variance(count, sums, at + SUM, at + SQUARES))
      case 'distinct':
        return this.#distinct(history as History, feature.column, from, to)
      case 'quantile':
        return quantile(history as History, feature.column, { from, to, q: aggregate.q as number })
    }
  }

  #distinct(history: History, column: number, from: number, to: number): number {
    if (this.#walk === LAST_WALK) {
      this.#seen.fill(0)
      this.#walk = 0
    }
    this.#walk++
    const base = history.column(column)
    let distinct = 0
    for (let i = base + from; i < base + to; i++) {
      const id = history.data[i] as number
      if (id >= this.#seen.length) this.#growSeen(id)
      if (this.#seen[id] === this.#walk) continue
      this.#seen[id] = this.#walk
      distinct++
    }
    return distinct
  }

  #growSeen(id: number): void {
    const grown = new Uint32Array(Math.max(id + 1, this.#seen.length * 2))
    grown.set(this.#seen)
    this.#seen = grown
  }
}

/** Interpolated between the two nearest ranks of q·(n − 1), as numpy's default does (Hyndman and Fan 1996, type 7). */
function quantile(
  history: History,
  column: number,
  { from, to, q }: { from: number; to: number; q: number },
): number {
  const base = history.column(column)
  const values = history.data.slice(base + from, base + to).sort()
  const rank = q * (values.length - 1)
  const below = Math.floor(rank)
  const low = values[below] as number
  const high = values[Math.min(below + 1, values.length - 1)] as number
  return low + (high - low) * (rank - below)
}
