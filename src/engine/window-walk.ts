import type { Aggregate } from '../topology/definition.ts'
import { variance } from './compensated.ts'
import type { History } from './history.ts'
import type { Layout } from './layout.ts'
import { Reach } from './reach.ts'
import { isNothing, MAX, MIN, SQUARES, SUM, SUMMARY } from './summary.ts'

// All windows of one kind in one walk, from the newest event a row may see to the oldest: at each window's edge what has been
// walked over so far is that window's answer, since the windows are nested.

/** A feature over a window, with where its column lies and where its value goes. */
export interface WindowFeature {
  readonly lengthMs: number
  readonly aggregate: Aggregate
  /** Column in the history, and a second one; 0 when the aggregate needs none. */
  readonly column: number
  readonly over: number
  /** Index in the row. */
  readonly feature: number
}

/**
 * A feature with the places of its column among those that the layout keeps something of; −1 where it is not. Aggregates have many
 * shapes, which costs more to look into for each event than all there is to compute; these have one.
 */
interface PlacedFeature {
  readonly of: Aggregate['of']
  readonly feature: number
  readonly column: number
  /** Value of an empty window. */
  readonly empty: number
  readonly q: number
  readonly lengthSeconds: number
  readonly summary: number
  readonly overSummary: number
  readonly ranked: number
  readonly distinct: number
}

function placed(
  { aggregate, lengthMs, column, over, feature }: WindowFeature,
  layout: Layout,
): PlacedFeature {
  return {
    of: aggregate.of,
    feature,
    column,
    empty: 'empty' in aggregate ? aggregate.empty : 0,
    q: 'q' in aggregate ? aggregate.q : Number.NaN,
    lengthSeconds: lengthMs / 1_000,
    summary: layout.summed.indexOf(column) * SUMMARY,
    overSummary: layout.summed.indexOf(over) * SUMMARY,
    ranked: layout.ranked.indexOf(column),
    distinct: layout.distinct.indexOf(column),
  }
}

interface WindowPlan {
  readonly lengthMs: number
  readonly features: readonly PlacedFeature[]
  /** Does this window or a longer one need more than sums? */
  readonly remember: boolean
}

export class WindowWalk {
  readonly #windows: readonly WindowPlan[]
  readonly #reach: Reach

  constructor(features: readonly WindowFeature[], layout: Layout) {
    const lengths = [...new Set(features.map((f) => f.lengthMs))].toSorted((a, b) => a - b)
    const needy = features.filter(({ aggregate: { of } }) => of === 'distinct' || of === 'quantile')
    this.#windows = lengths.map((lengthMs) => ({
      lengthMs,
      remember: needy.some((f) => f.lengthMs >= lengthMs),
      features: features.filter((f) => f.lengthMs === lengthMs).map((f) => placed(f, layout)),
    }))
    this.#reach = new Reach(layout)
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
    this.#reach.begin(history, at.timeMs)
    for (const window of this.#windows) {
      const afterMs = Math.max(at.timeMs - window.lengthMs, at.floorMs)
      this.#reach.extend(afterMs, window.remember)
      this.#answer(window, afterMs, row)
    }
  }

  /** Writes the value of every feature over the events in (afterMs, upToMs], whatever its own length. */
  writeRange(
    history: History | null,
    range: { readonly afterMs: number; readonly upToMs: number },
    row: Float64Array,
  ): void {
    this.#reach.begin(history, range.upToMs)
    this.#reach.extend(range.afterMs, true)
    for (const window of this.#windows) this.#answer(window, range.afterMs, row)
  }

  #answer({ features }: WindowPlan, afterMs: number, row: Float64Array): void {
    for (const feature of features) this.#write(feature, afterMs, row)
  }

  /** Straight into the row: a number that a function gives back is an object where the function is too long to be inlined. */
  #write(feature: PlacedFeature, afterMs: number, row: Float64Array): void {
    const { feature: at, summary } = feature
    const { sums, count } = this.#reach
    if (count === 0) {
      row[at] = feature.empty
      return
    }
    switch (feature.of) {
      case 'count':
        row[at] = count
        break
      case 'sum':
      case 'countWhere':
        row[at] = this.#total(summary)
        break
      case 'mean':
      case 'share':
        row[at] = this.#total(summary) / count
        break
      case 'min':
        row[at] = sums[summary + MIN] as number
        break
      case 'max':
        row[at] = sums[summary + MAX] as number
        break
      case 'variance':
        row[at] = this.#variance(summary, count)
        break
      case 'std':
        row[at] = Math.sqrt(this.#variance(summary, count))
        break
      case 'rate':
        row[at] = count / feature.lengthSeconds
        break
      case 'ratio':
        row[at] = isNothing(sums, feature.overSummary, count)
          ? feature.empty
          : this.#total(summary) / this.#total(feature.overSummary)
        break
      case 'first':
        row[at] = this.#reach.oldest(feature.column)
        break
      case 'last':
        row[at] = this.#reach.newest(feature.column)
        break
      case 'distinct':
        row[at] = this.#reach.distinct(feature.distinct, afterMs)
        break
      case 'quantile':
        row[at] = this.#reach.quantile(feature.ranked, feature.q)
        break
    }
  }

  #variance(summary: number, count: number): number {
    const { sums } = this.#reach
    // Equal values do not vary at all, not by 1e-32.
    if (sums[summary + MIN] === sums[summary + MAX]) return 0
    return variance(count, sums, summary + SUM, summary + SQUARES)
  }

  #total(summary: number): number {
    const { sums } = this.#reach
    return (sums[summary + SUM] as number) + (sums[summary + SUM + 1] as number)
  }
}
