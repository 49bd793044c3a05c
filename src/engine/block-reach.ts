import type { Block } from './block.ts'
import type { Group } from './group.ts'
import type { Layout } from './layout.ts'
import type { BlockPlace, OlderBlocks } from './older-blocks.ts'
import type { Selection } from './selection.ts'
import { SettledSpan } from './settled-span.ts'
import { WalkedBlocks } from './walked-blocks.ts'

/** Represents the end of a block that has not been visited. */
const END = -1

/** What a walk has covered of a history's blocks, by groups and by whole blocks where possible. */
export class BlockReach {
  /** Number of events covered. */
  count = 0
  readonly #layout: Layout
  readonly #sums: Float64Array
  readonly #walked: WalkedBlocks
  #older: OlderBlocks | null = null
  #remembers = false
  /**
   * Where the walk continues: before event `at` of block `b` of group `g`; −1 when there is nothing
   * left.
   */
  #g = -1
  #b = 0
  #at = 0
  /** The newest and the oldest event covered. */
  #newest: Block | null = null
  #newestAt = 0
  #oldest: Block | null = null
  #oldestAt = 0
  /** The newest settled block, from which on the walk uses spans; `null`: it walks all blocks. */
  #settled: Block | null = null
  /** Has the walk reached it? */
  #isThere = false
  /**
   * The number and the sums of the events covered before it reached the settled blocks, all of
   * which are newer. The sums include those of the buffer.
   */
  #unsettledCount = 0
  readonly #unsettledSums: Float64Array
  /** The spans of each window over the settled blocks, by history. */
  readonly #spans = new WeakMap<OlderBlocks, SettledSpan[]>()
  /** The span of the current window. */
  #span: SettledSpan | null = null

  /** @param sums to which it adds the events that it covers */
  constructor(layout: Layout, sums: Float64Array) {
    this.#layout = layout
    this.#sums = sums
    this.#walked = new WalkedBlocks(layout)
    this.#unsettledSums = new Float64Array(sums.length)
  }

  /** Starts a new walk: at the end of the blocks, or at the newest event at or before `upToMs`. */
  begin(older: OlderBlocks, upToMs: number): void {
    this.#older = older
    this.count = 0
    this.#g = -1
    this.#walked.clear()
    this.#isThere = false
    this.#span = null
    // Quantiles need each block.
    const isAfter = this.#layout.ranked.length === 0 && upToMs >= older.unsettledMs
    this.#settled = isAfter ? older.newestSettled : null
    if (upToMs >= older.newestMs) this.#goToEndOf(older.groups.length - 1)
    else {
      const place = older.placeOf(upToMs)
      this.#g = place.g
      this.#b = place.b
      this.#at = older.blockAt(place).after(upToMs)
    }
  }

  /**
   * Extends the walk over the events after a time, for the n-th window. `remember`: more than the
   * sums of these events will be needed.
   */
  extend(afterMs: number, remember: boolean, window: number): void {
    this.#remembers = remember
    while (this.#g >= 0) {
      const group = this.#older?.groups[this.#g] as Group
      if (this.#settled !== null && group.blocks[this.#b] === this.#settled) {
        return this.#addSettled(afterMs, window)
      }
      if (this.count === 0) this.#beginAt(group.blocks[this.#b] as Block)
      if (!this.#addWhole(group, afterMs) && !this.#addPart(group, afterMs)) return
      if (this.#b < 0) this.#goToEndOf(this.#g - 1)
    }
  }

  /** Has the walk reached the settled blocks? */
  get hasSettled(): boolean {
    return this.#isThere
  }

  /** A cell of the newest event covered. There must be one. */
  newest(column: number): number {
    return cellOf(this.#newest, this.#newestAt, column)
  }

  /** A cell of the oldest event covered. There must be one. */
  oldest(column: number): number {
    return cellOf(this.#oldest, this.#oldestAt, column)
  }

  /** Number of events whose text in column `distinct[d]` has not occurred after a time. */
  unlinked(d: number, afterMs: number): number {
    const unlinked = this.#walked.unlinked(d, afterMs)
    return this.#span === null ? unlinked : unlinked + this.#span.unlinked(d, afterMs)
  }

  /** Adds the values of column `ranked[r]` to a selection. */
  addTo(selection: Selection, r: number): void {
    this.#walked.addTo(selection, r)
  }

  /**
   * Adds the events of the settled blocks after a time, in place of those that the previous window
   * added.
   */
  #addSettled(afterMs: number, window: number): void {
    const older = this.#older as OlderBlocks
    const { summaries } = this.#layout
    if (!this.#isThere) {
      this.#isThere = true
      this.#unsettledCount = this.count
      copy(this.#sums, this.#unsettledSums)
      this.#walked.mark()
    } else {
      this.count = this.#unsettledCount
      copy(this.#unsettledSums, this.#sums)
      this.#walked.goBack()
    }
    const span = this.#spanOf(older, window)
    const newest = { g: this.#g, b: this.#b }
    span.turnTo(afterMs, older, { newest, hasLinks: this.#remembers })
    this.#span = span
    summaries.add(this.#sums, span.sums, 0)
    if (this.count === 0) this.#beginAt(this.#settled as Block)
    if (span.oldest !== null) this.#added(span.oldest, 0, span.count)
    this.#addNear(afterMs, span.oldest, newest)
  }

  #spanOf(older: OlderBlocks, window: number): SettledSpan {
    let spans = this.#spans.get(older)
    if (spans === undefined) {
      spans = []
      this.#spans.set(older, spans)
    }
    spans[window] ??= new SettledSpan(this.#layout)
    return spans[window]
  }

  /**
   * Adds the settled blocks near an edge. @param upTo the oldest block that is not to be added;
   * `null`: add up to the newest settled one
   */
  #addNear(afterMs: number, upTo: Block | null, newest: BlockPlace): void {
    const older = this.#older as OlderBlocks
    let { g, b } = older.placeOf(afterMs)
    let isOldest = true
    for (; g <= newest.g; g++, b = 0) {
      const group = older.groups[g] as Group
      const end = g === newest.g ? newest.b + 1 : group.blocks.length
      for (; b < end; b++) {
        const block = group.blocks[b] as Block
        if (block === upTo) return
        const from = this.#addAfter(group, b, afterMs)
        if (isOldest && from < block.end) {
          this.#oldest = block
          this.#oldestAt = from
          isOldest = false
        }
      }
    }
  }

  /** Adds the events of a block after a time. Returns the index of the first one. */
  #addAfter(group: Group, b: number, afterMs: number): number {
    const block = group.blocks[b] as Block
    if (group.oldestMs(b) > afterMs) {
      group.addBlockTo(this.#sums, b)
      this.count += group.countOf(b)
      if (this.#remembers) this.#walked.add(block)
      return 0
    }
    const from = block.after(afterMs)
    const upTo = block.end
    if (from === upTo) return upTo
    this.#layout.summaries.addEvents(this.#sums, block, from, upTo)
    if (this.#remembers) this.#walked.addPart(block, from, upTo)
    this.count += upTo - from
    return from
  }

  #goToEndOf(g: number): void {
    this.#g = g
    this.#b = g < 0 ? -1 : (this.#older?.groups[g]?.blocks.length ?? 0) - 1
    this.#at = END
  }

  /** Records the block from which the first event is added. */
  #beginAt(block: Block): void {
    this.#newest = block
    this.#newestAt = (this.#at === END ? block.end : this.#at) - 1
  }

  /** Adds the group that ends here, or otherwise the block, if all of it is after a time. */
  #addWhole(group: Group, afterMs: number): boolean {
    if (this.#at !== END) return false
    const { blocks } = group
    // A group may contain both settled and unsettled blocks.
    const isInner = this.#settled === null && this.#older?.isInner(this.#g) === true
    if (isInner && this.#b === blocks.length - 1 && group.oldestMs(0) > afterMs) {
      if (!group.isSealed) group.seal()
      group.addAllTo(this.#sums)
      this.#added(blocks[0] as Block, 0, group.size)
      if (this.#remembers) this.#walked.add(group)
      this.#b = -1
      return true
    }
    if (group.oldestMs(this.#b) <= afterMs) return false
    const block = blocks[this.#b] as Block
    group.addBlockTo(this.#sums, this.#b)
    this.#added(block, 0, group.countOf(this.#b))
    if (this.#remembers) this.#walked.add(block)
    this.#b--
    return true
  }

  /**
   * Adds the events of the current block that are after a time. Returns whether these were all
   * events left in it.
   */
  #addPart(group: Group, afterMs: number): boolean {
    const block = group.blocks[this.#b] as Block
    const from = block.after(afterMs)
    const upTo = this.#at === END ? block.end : this.#at
    if (from >= upTo) return false
    this.#layout.summaries.addEvents(this.#sums, block, from, upTo)
    if (this.#remembers) this.#walked.addPart(block, from, upTo)
    this.#added(block, from, upTo - from)
    this.#at = from
    if (from > block.start) return false
    this.#b--
    this.#at = END
    return true
  }

  /** Records that events from index `at` of a block on were added. */
  #added(block: Block, at: number, count: number): void {
    this.#oldest = block
    this.#oldestAt = at
    this.count += count
  }
}

/** Number by number: for so few, a call costs more. */
function copy(from: Float64Array, into: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = from[i] as number
}

function cellOf(block: Block | null, at: number, column: number): number {
  return block?.data[block.column(column) + at] as number
}
