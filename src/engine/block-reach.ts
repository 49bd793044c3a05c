import type { Block, Whole } from './block.ts'
import type { Group } from './group.ts'
import type { Layout } from './layout.ts'
import type { OlderBlocks } from './older-blocks.ts'
import { countUpTo } from './ordered.ts'
import type { Selection } from './selection.ts'

/** Stands for the end of a block that has not been looked at. */
const END = -1

/** Events of a block that lie at an edge. */
interface Part {
  readonly block: Block
  readonly from: number
  readonly upTo: number
}

/** What a walk has gone over of a history's blocks, by groups and by blocks where it can. */
export class BlockReach {
  /** Events. */
  count = 0
  readonly #layout: Layout
  readonly #sums: Float64Array
  readonly #wholes: Whole[] = []
  readonly #parts: Part[] = []
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

  /** @param sums to which it adds what it goes over */
  constructor(layout: Layout, sums: Float64Array) {
    this.#layout = layout
    this.#sums = sums
  }

  /** Begins anew: at the end of the blocks, or before their events after a time. */
  begin(older: OlderBlocks, upToMs: number): void {
    this.#older = older
    this.count = 0
    this.#g = -1
    this.#wholes.length = 0
    this.#parts.length = 0
    if (upToMs >= older.newestMs) this.#goToEndOf(older.groups.length - 1)
    else {
      const place = older.placeOf(upToMs)
      this.#g = place.g
      this.#b = place.b
      this.#at = older.blockAt(place).after(upToMs)
    }
  }

  /** Goes on over the events after a time. `remember`: what it goes over will be asked for more than sums. */
  extend(afterMs: number, remember: boolean): void {
    this.#remembers = remember
    while (this.#g >= 0) {
      const group = this.#older?.groups[this.#g] as Group
      if (this.count === 0) this.#beginAt(group.blocks[this.#b] as Block)
      if (!this.#takeWhole(group, afterMs) && !this.#takePart(group, afterMs)) return
      if (this.#b < 0) this.#goToEndOf(this.#g - 1)
    }
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
    const { columns, ranked } = this.#layout
    let unlinked = 0
    for (const whole of this.#wholes) {
      unlinked += countUpTo(whole.data, whole.orderedAt(ranked.length + d), whole.size, afterMs)
    }
    for (const { block, from, upTo } of this.#parts) {
      const links = block.column(columns + d)
      for (let i = links + from; i < links + upTo; i++) {
        if ((block.data[i] as number) <= afterMs) unlinked++
      }
    }
    return unlinked
  }

  /** Adds the values of column `ranked[r]`. */
  addTo(selection: Selection, r: number): void {
    for (const whole of this.#wholes) selection.add(whole.data, whole.orderedAt(r), whole.size)
    for (const { block, from, upTo } of this.#parts) {
      const column = block.column(this.#layout.ranked[r] as number)
      selection.addUnordered(block.data, column + from, upTo - from)
    }
  }

  #goToEndOf(g: number): void {
    this.#g = g
    this.#b = (this.#older?.groups[g]?.blocks.length ?? 0) - 1
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
    // The newest group grows and the oldest one shrinks: it would not pay to seal them.
    const isInner = this.#g > 0 && this.#g < (this.#older as OlderBlocks).groups.length - 1
    if (isInner && this.#b === blocks.length - 1 && group.oldestMs(0) > afterMs) {
      if (!group.isSealed) group.seal()
      group.addAllTo(this.#sums)
      this.#took(blocks[0] as Block, 0, group.size)
      if (this.#remembers) this.#wholes.push(group)
      this.#b = -1
      return true
    }
    if (group.oldestMs(this.#b) <= afterMs) return false
    const block = blocks[this.#b] as Block
    group.addBlockTo(this.#sums, this.#b)
    this.#took(block, 0, group.countOf(this.#b))
    if (this.#remembers) this.#wholes.push(block)
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
    if (this.#remembers) this.#parts.push({ block, from, upTo })
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

function cellOf(block: Block | null, at: number, column: number): number {
  return block?.data[block.column(column) + at] as number
}
