import type { Deviations, WindowValues } from '../../topology/aggregates.ts'
import { BlockQuery } from './block-query.ts'
import { variance } from './compensated.ts'
import type { History } from './history.ts'
import type { Layout } from './layout.ts'
import { QuantileSearch } from './quantiles.ts'
import { decayedAt, isNothing, MAX, MIN, Moments, SQUARES, SUM } from './summaries.ts'

/** The events of one key in a range of time, which grows backwards, window by window. */
export class RangeQuery implements WindowValues {
  readonly #layout: Layout
  readonly #sums: Float64Array
  readonly #summaryOf: Int32Array
  readonly #blocks: BlockQuery
  readonly #search = new QuantileSearch()
  readonly #moments = new Moments()
  /** The numbers of the event itself, by column from 1; `null`: it is of another kind. */
  own: ArrayLike<number> | null = null
  #history: History | null = null
  /** The time at which decayed values are read. */
  #timeMs = 0
  #afterMs = 0
  #windows = 0
  #hasBlocks = false
  /** The buffer's events that are covered: from ≤ i < upTo. */
  #from = 0
  #upTo = 0
  /** Runs before this index have summaries. */
  #sealed = 0
  constructor(layout: Layout) {
    this.#layout = layout
    this.#sums = new Float64Array(layout.summaries.numbers)
    this.#summaryOf = Int32Array.from({ length: layout.columns }, (_, column) =>
      layout.summaries.summaryOf(column),
    )
    this.#blocks = new BlockQuery(layout, this.#sums)
  }

  get count(): number {
    const inBuffer = this.#upTo - this.#from
    return this.#hasBlocks ? inBuffer + this.#blocks.count : inBuffer
  }

  /** Starts at the newest event at or before a time. @param timeMs when decayed values are read */
  begin(history: History | null, upToMs: number, timeMs: number): void {
    this.#layout.summaries.clear(this.#sums)
    this.#history = history
    this.#timeMs = timeMs
    this.#windows = 0
    this.#sealed = history?.seal() ?? 0
    this.#upTo = history?.after(upToMs) ?? 0
    this.#from = this.#upTo
    const older = history?.older ?? null
    this.#hasBlocks = older !== null
    if (older !== null) this.#blocks.begin(older, upToMs)
  }

  /** @param remember may distinct counts or quantiles of these events be needed later? */
  extend(afterMs: number, remember: boolean): void {
    const history = this.#history
    if (history === null) return
    this.#afterMs = afterMs
    const window = this.#windows++
    const { sizes, summaries } = this.#layout
    const { run } = sizes
    const { start } = history
    let i = this.#from
    // The next index at which a run with a summary ends.
    let edge = this.#sealed === 0 ? 0 : Math.min(i - (i % run), this.#sealed)
    while (i > start) {
      const first = i - run
      if (i === edge && first >= start && history.timeAt(first) > afterMs) {
        summaries.add(this.#sums, history.data, history.summariesAt(first))
        i = first
        edge = first
        continue
      }
      // Back to where the next such run begins or ends.
      const least = Math.max(start, i === edge ? first : edge)
      const end = i
      while (i > least && history.timeAt(i - 1) > afterMs) i--
      if (i === end) break
      summaries.addEvents(this.#sums, history, i, end)
      if (i > least) break
      if (end === edge) edge = first
    }
    this.#from = i
    if (i === start && this.#hasBlocks) this.#blocks.extend(afterMs, remember, window)
  }

  total(column: number): number {
    const at = this.#summaryOf[column] as number
    return (this.#sums[at + SUM] as number) + (this.#sums[at + SUM + 1] as number)
  }

  isNothing(column: number): boolean {
    return isNothing(this.#sums, this.#summaryOf[column] as number, this.count)
  }

  min(column: number): number {
    return this.#sums[(this.#summaryOf[column] as number) + MIN] as number
  }

  max(column: number): number {
    return this.#sums[(this.#summaryOf[column] as number) + MAX] as number
  }

  variance(column: number): number {
    // Equal values do not vary at all, not even by 1e-32.
    if (this.min(column) === this.max(column)) return 0
    const at = this.#summaryOf[column] as number
    return variance(this.count, this.#sums, at + SUM, at + SQUARES)
  }

  deviations(column: number): Deviations {
    const range = this.max(column) - this.min(column)
    const at = this.#layout.summaries.powersOf(column)
    this.#moments.set(this.count, range, this.#sums, at)
    return this.#moments
  }

  decayed(column: number, halfLifeMs: number): number {
    const at = this.#layout.summaries.decayedOf(column, halfLifeMs)
    return decayedAt(this.#sums, at, this.#timeMs, halfLifeMs)
  }

  newest(column: number): number {
    if (this.#from === this.#upTo) return this.#blocks.newest(column)
    return this.#cell(column, this.#upTo - 1)
  }

  nthNewest(column: number, n: number): number {
    const inBuffer = this.#upTo - this.#from
    if (n > inBuffer) return this.#blocks.nthNewest(column, n - inBuffer)
    return this.#cell(column, this.#upTo - n)
  }

  ownCell(column: number): number {
    return this.own?.[column - 1] ?? Number.NaN
  }

  oldest(column: number): number {
    if (this.#hasBlocks && this.#blocks.count > 0) return this.#blocks.oldest(column)
    return this.#cell(column, this.#from)
  }

  distinct(column: number): number {
    const d = this.#layout.distinct.indexOf(column)
    const { newestPrunedMs, older } = this.#history as History
    // A pruned occurrence does not count.
    const edgeMs = Math.max(this.#afterMs, newestPrunedMs)
    const blocks = this.#hasBlocks && this.#blocks.count > 0 ? older : null
    let distinct = blocks === null ? 0 : this.#blocks.unlinked(d, edgeMs)
    if (blocks !== null && this.#hasSettled) {
      return distinct + blocks.textsOf(this.#history as History).countUpTo(d, edgeMs)
    }
    const { marks } = this.#layout
    marks.begin()
    const { data, base } = this.#columnOf(column)
    for (let i = base + this.#from; i < base + this.#upTo; i++) {
      const text = data[i] as number
      if (!marks.isNew(text)) continue
      if (blocks === null || blocks.latestOf(d, text) <= edgeMs) distinct++
    }
    return distinct
  }

  quantile(column: number, q: number): number {
    const r = this.#layout.ranked.indexOf(column)
    const { data, base } = this.#columnOf(column)
    this.#search.clear()
    this.#search.addUnordered(data, base + this.#from, this.#upTo - this.#from)
    if (this.#hasBlocks && this.#blocks.count > 0) this.#blocks.addTo(this.#search, r)
    return this.#search.quantile(q)
  }

  #columnOf(column: number): { data: Float64Array; base: number } {
    const history = this.#history as History
    return { data: history.data, base: history.column(column) }
  }

  #cell(column: number, index: number): number {
    const { data, base } = this.#columnOf(column)
    return data[base + index] as number
  }

  get #hasSettled(): boolean {
    const { start, end } = this.#history as History
    return this.#from === start && this.#upTo === end && this.#blocks.hasSettled
  }
}
