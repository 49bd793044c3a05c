import { BlockReach } from './block-reach.ts'
import type { History } from './history.ts'
import type { Layout } from './layout.ts'
import { Selection } from './selection.ts'
import { addSummary, addValue, clearSummary, SUMMARY } from './summary.ts'

/** A Uint32 holds no more. */
const LAST_COUNT = 2 ** 32 - 1

/** The events that a walk has gone over so far, from the newest that it may see backwards. */
export class Reach {
  /** A summary of each summed column. */
  readonly sums: Float64Array
  readonly #layout: Layout
  readonly #blocks: BlockReach
  readonly #selection = new Selection()
  #history: History | null = null
  /** Has the history more than its buffer? Most have not. */
  #hasBlocks = false
  /** Of the history's buffer the events from ≤ i < upTo. */
  #from = 0
  #upTo = 0
  /** Before it, runs have summaries. */
  #sealed = 0
  /** For each text the count that saw it last, so that each counts it once. */
  #seen = new Uint32Array(1024)
  #counts = 0

  constructor(layout: Layout) {
    this.#layout = layout
    this.sums = new Float64Array(layout.sumNumbers)
    this.#blocks = new BlockReach(layout, this.sums)
  }

  /** How many they are. */
  get count(): number {
    const inBuffer = this.#upTo - this.#from
    return this.#hasBlocks ? inBuffer + this.#blocks.count : inBuffer
  }

  /** Begins anew, before the events after a time. */
  begin(history: History | null, upToMs: number): void {
    for (let s = 0; s < this.sums.length; s += SUMMARY) clearSummary(this.sums, s)
    this.#history = history
    this.#sealed = history?.seal() ?? 0
    this.#upTo = history?.after(upToMs) ?? 0
    this.#from = this.#upTo
    const older = history?.older ?? null
    this.#hasBlocks = older !== null
    if (older !== null) this.#blocks.begin(older, upToMs)
  }

  /**
   * Goes on over the events after a time. `remember`: what it goes over may be asked for distinct texts or quantiles, from here on
   * or later.
   */
  extend(afterMs: number, remember: boolean): void {
    const history = this.#history
    if (history === null) return
    const { run } = this.#layout.sizes
    const { start } = history
    let i = this.#from
    // The next index at which a run with a summary ends.
    let edge = this.#sealed === 0 ? 0 : Math.min(i - (i % run), this.#sealed)
    while (i > start) {
      const first = i - run
      if (i === edge && first >= start && history.timeAt(first) > afterMs) {
        this.#addRun(history, first)
        i = first
        edge = first
      } else if (history.timeAt(i - 1) > afterMs) {
        if (i === edge) edge = first
        i--
        this.#addEvent(history, i)
      } else break
    }
    this.#from = i
    if (i === start && this.#hasBlocks) this.#blocks.extend(afterMs, remember)
  }

  /** A cell of the newest of them. Not empty. */
  newest(column: number): number {
    if (this.#from === this.#upTo) return this.#blocks.newest(column)
    return this.#cell(column, this.#upTo - 1)
  }

  /** A cell of the oldest of them. Not empty. */
  oldest(column: number): number {
    if (this.#hasBlocks && this.#blocks.count > 0) return this.#blocks.oldest(column)
    return this.#cell(column, this.#from)
  }

  /** How many different texts column `distinct[d]` has. `afterMs`: as last extended to. */
  distinct(d: number, afterMs: number): number {
    const { newestPrunedMs, older } = this.#history as History
    // An occurrence that has been pruned is none.
    const edgeMs = Math.max(afterMs, newestPrunedMs)
    const blocks = this.#hasBlocks && this.#blocks.count > 0 ? older : null
    let distinct = blocks === null ? 0 : this.#blocks.unlinked(d, edgeMs)
    this.#beginCount()
    const { data, base } = this.#columnOf(this.#layout.distinct[d] as number)
    for (let i = base + this.#from; i < base + this.#upTo; i++) {
      const text = data[i] as number
      if (text >= this.#seen.length) this.#growSeen(text)
      if (this.#seen[text] === this.#counts) continue
      this.#seen[text] = this.#counts
      if (blocks === null || blocks.latestOf(d, text) <= edgeMs) distinct++
    }
    return distinct
  }

  /** The q-quantile of column `ranked[r]`. Not empty. */
  quantile(r: number, q: number): number {
    const { data, base } = this.#columnOf(this.#layout.ranked[r] as number)
    this.#selection.clear()
    this.#selection.addUnordered(data, base + this.#from, this.#upTo - this.#from)
    if (this.#hasBlocks && this.#blocks.count > 0) this.#blocks.addTo(this.#selection, r)
    return this.#selection.quantile(q)
  }

  #addRun(history: History, first: number): void {
    const at = history.summariesAt(first)
    for (let s = 0; s < this.sums.length; s += SUMMARY) {
      addSummary(this.sums, s, history.data, at + s)
    }
  }

  #addEvent(history: History, index: number): void {
    const { summed } = this.#layout
    for (let s = 0; s < summed.length; s++) {
      const column = history.column(summed[s] as number)
      addValue(this.sums, s * SUMMARY, history.data[column + index] as number)
    }
  }

  #columnOf(column: number): { data: Float64Array; base: number } {
    const history = this.#history as History
    return { data: history.data, base: history.column(column) }
  }

  #cell(column: number, index: number): number {
    const { data, base } = this.#columnOf(column)
    return data[base + index] as number
  }

  #beginCount(): void {
    if (this.#counts === LAST_COUNT) {
      this.#seen.fill(0)
      this.#counts = 0
    }
    this.#counts++
  }

  #growSeen(text: number): void {
    const grown = new Uint32Array(Math.max(text + 1, this.#seen.length * 2))
    grown.set(this.#seen)
    this.#seen = grown
  }
}
