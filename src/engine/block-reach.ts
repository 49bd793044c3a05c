import type { Block } from './block.ts'
import type { Group } from './group.ts'
import type { Layout } from './layout.ts'
import type { OlderBlocks, Place } from './older-blocks.ts'
import type { Selection } from './selection.ts'
import { SettledSpan } from './settled-span.ts'
import { Taken } from './taken.ts'

/** Stands for the end of a block that has not been looked at. */
const END = -1

/** What a walk has gone over of a history's blocks, by groups and by blocks where it can. */
export class BlockReach {
  /** Events. */
  count = 0
  readonly #layout: Layout
  readonly #sums: Float64Array
  readonly #taken: Taken
  #older: OlderBlocks | null = null
  #remembers = false
  /** Where it goes on: before event `at` of block `b` of group `g`; −1 when there is no more. */
  #g = -1
  #b = 0
  #at = 0
  /** The newest and the oldest event. */
  #newest: Block | null = null
  #newestAt = 0
  #oldest: Block | null = null
  #oldestAt = 0
  /**
   * The newest settled block, where it goes over no more blocks; `null`: it goes over all of them.
   */
  #settled: Block | null = null
  /** Has it come there? */
  #isThere = false
  /** What it has gone over until then, and with all that is newer. */
  #unsettledCount = 0
  readonly #unsettledSums: Float64Array
  /** What each window takes of the settled blocks, of every history that has some. */
  readonly #spans = new WeakMap<OlderBlocks, SettledSpan[]>()
  /** That of the window at hand. */
  #span: SettledSpan | null = null

  /** @param sums to which it adds what it goes over */
  constructor(layout: Layout, sums: Float64Array) {
    this.#layout = layout
    this.#sums = sums
    this.#taken = new Taken(layout)
    this.#unsettledSums = new Float64Array(sums.length)
  }

  /** Begins anew: at the end of the blocks, or before their events after a time. */
  begin(older: OlderBlocks, upToMs: number): void {
    this.#older = older
    this.count = 0
    this.#g = -1
    this.#taken.clear()
    this.#isThere = false
    this.#span = null
    // What is ranked is asked of each block.
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
   * Goes on over the events after a time, for the n-th window. `remember`: what it goes over will
   * be asked for more than sums.
   */
  extend(afterMs: number, remember: boolean, window: number): void {
    this.#remembers = remember
    while (this.#g >= 0) {
      const group = this.#older?.groups[this.#g] as Group
      if (this.#settled !== null && group.blocks[this.#b] === this.#settled) {
        return this.#takeSettled(afterMs, window)
      }
      if (this.count === 0) this.#beginAt(group.blocks[this.#b] as Block)
      if (!this.#takeWhole(group, afterMs) && !this.#takePart(group, afterMs)) return
      if (this.#b < 0) this.#goToEndOf(this.#g - 1)
    }
  }

  /** Has it come to the settled blocks? */
  get takesSettled(): boolean {
    return this.#isThere
  }

  /** A cell of the newest of them. Not empty. */
  newest(column: number): number {
    return cellOf(this.#newest, this.#newestAt, column)
  }

  /** A cell of the oldest of them. Not empty. */
  oldest(column: number): number {
    return cellOf(this.#oldest, this.#oldestAt, column)
  }

  /** How many events have a text in column `distinct[d]` that has not occurred after a time. */
  unlinked(d: number, afterMs: number): number {
    const unlinked = this.#taken.unlinked(d, afterMs)
    return this.#span === null ? unlinked : unlinked + this.#span.unlinked(d, afterMs)
  }

  /** Adds the values of column `ranked[r]`. */
  addTo(selection: Selection, r: number): void {
    this.#taken.addTo(selection, r)
  }

  /**
   * Takes what there is of the settled blocks after a time, instead of what the window before has
   * taken of them.
   */
  #takeSettled(afterMs: number, window: number): void {
    const older = this.#older as OlderBlocks
    const { summaries } = this.#layout
    if (!this.#isThere) {
      this.#isThere = true
      this.#unsettledCount = this.count
      copy(this.#sums, this.#unsettledSums)
      this.#taken.mark()
    } else {
      this.count = this.#unsettledCount
      copy(this.#unsettledSums, this.#sums)
      this.#taken.goBack()
    }
    const span = this.#spanOf(older, window)
    const newest = { g: this.#g, b: this.#b }
    span.turnTo(afterMs, older, { newest, hasLinks: this.#remembers })
    this.#span = span
    summaries.add(this.#sums, span.sums, 0)
    if (this.count === 0) this.#beginAt(this.#settled as Block)
    if (span.oldest !== null) this.#took(span.oldest, 0, span.count)
    this.#takeNear(afterMs, span.oldest, newest)
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
   * Takes the settled blocks near an edge. @param upTo the oldest block that is not; `null`: they
   * reach to the newest settled one
   */
  #takeNear(afterMs: number, upTo: Block | null, newest: Place): void {
    const older = this.#older as OlderBlocks
    let { g, b } = older.placeOf(afterMs)
    let isOldest = true
    for (; g <= newest.g; g++, b = 0) {
      const group = older.groups[g] as Group
      const end = g === newest.g ? newest.b + 1 : group.blocks.length
      for (; b < end; b++) {
        const block = group.blocks[b] as Block
        if (block === upTo) return
        const from = this.#takeAfter(group, b, afterMs)
        if (isOldest && from < block.end) {
          this.#oldest = block
          this.#oldestAt = from
          isOldest = false
        }
      }
    }
  }

  /** Takes what there is of a block after a time; gives where that begins. */
  #takeAfter(group: Group, b: number, afterMs: number): number {
    const block = group.blocks[b] as Block
    if (group.oldestMs(b) > afterMs) {
      group.addBlockTo(this.#sums, b)
      this.count += group.countOf(b)
      if (this.#remembers) this.#taken.add(block)
      return 0
    }
    const from = block.after(afterMs)
    const upTo = block.end
    if (from === upTo) return upTo
    this.#layout.summaries.addEvents(this.#sums, block, from, upTo)
    if (this.#remembers) this.#taken.addPart(block, from, upTo)
    this.count += upTo - from
    return from
  }

  #goToEndOf(g: number): void {
    this.#g = g
    this.#b = g < 0 ? -1 : (this.#older?.groups[g]?.blocks.length ?? 0) - 1
    this.#at = END
  }

  /** What is taken first is taken from here. */
  #beginAt(block: Block): void {
    this.#newest = block
    this.#newestAt = (this.#at === END ? block.end : this.#at) - 1
  }

  /** Takes the group that ends here or else the block, if all of it is after a time. */
  #takeWhole(group: Group, afterMs: number): boolean {
    if (this.#at !== END) return false
    const { blocks } = group
    // A group may hold settled blocks and others.
    const isInner = this.#settled === null && this.#older?.isInner(this.#g) === true
    if (isInner && this.#b === blocks.length - 1 && group.oldestMs(0) > afterMs) {
      if (!group.isSealed) group.seal()
      group.addAllTo(this.#sums)
      this.#took(blocks[0] as Block, 0, group.size)
      if (this.#remembers) this.#taken.add(group)
      this.#b = -1
      return true
    }
    if (group.oldestMs(this.#b) <= afterMs) return false
    const block = blocks[this.#b] as Block
    group.addBlockTo(this.#sums, this.#b)
    this.#took(block, 0, group.countOf(this.#b))
    if (this.#remembers) this.#taken.add(block)
    this.#b--
    return true
  }

  /** Takes the events of the block here that are after a time; gives whether these were all. */
  #takePart(group: Group, afterMs: number): boolean {
    const block = group.blocks[this.#b] as Block
    const from = block.after(afterMs)
    const upTo = this.#at === END ? block.end : this.#at
    if (from >= upTo) return false
    this.#layout.summaries.addEvents(this.#sums, block, from, upTo)
    if (this.#remembers) this.#taken.addPart(block, from, upTo)
    this.#took(block, from, upTo - from)
    this.#at = from
    if (from > block.start) return false
    this.#b--
    this.#at = END
    return true
  }

  /** Has taken events from index `at` of a block on. */
  #took(block: Block, at: number, count: number): void {
    this.#oldest = block
    this.#oldestAt = at
    this.count += count
  }
}

/** Number by number: of so few a call costs more. */
function copy(from: Float64Array, into: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = from[i] as number
}

function cellOf(block: Block | null, at: number, column: number): number {
  return block?.data[block.column(column) + at] as number
}
