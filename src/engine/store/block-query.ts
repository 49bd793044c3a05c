import type { Block, Group, Whole } from './blocks.ts'
import type { Layout } from './layout.ts'
import type { BlockPlace, OlderBlocks } from './older-blocks.ts'
import { countUpTo, type QuantileSearch } from './quantiles.ts'
import { SettledSpan } from './settled-span.ts'

/** A block that has not been visited: the walk is at its end. */
const END = -1

/** The blocks' part of a {@link RangeQuery}: adds groups and whole blocks where it can. */
export class BlockQuery {
  count = 0
  readonly #layout: Layout
  readonly #sums: Float64Array
  readonly #walked: WalkedBlocks
  #older: OlderBlocks | null = null
  #remembers = false
  /** The walk continues before event `at` of block `b` of group `g`; −1: nothing is left. */
  #g = -1
  #b = 0
  #at = 0
  #newest: Block | null = null
  #newestAt = 0
  #newestG = 0
  #newestB = 0
  #oldest: Block | null = null
  #oldestAt = 0
  /** From this block on the walk uses spans; `null`: it walks all blocks. */
  #settled: Block | null = null
  /** The events covered before the settled blocks. The sums include those of the buffer. */
  #unsettledCount = 0
  readonly #unsettledSums: Float64Array
  /** By history, then by window. */
  readonly #spans = new WeakMap<OlderBlocks, SettledSpan[]>()
  #span: SettledSpan | null = null

  constructor(layout: Layout, sums: Float64Array) {
    this.#layout = layout
    this.#sums = sums
    this.#walked = new WalkedBlocks(layout)
    this.#unsettledSums = new Float64Array(sums.length)
  }

  begin(older: OlderBlocks, upToMs: number): void {
    this.#older = older
    this.count = 0
    this.#g = -1
    this.#walked.clear()
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

  /** Extends the walk for the n-th window. @param remember is more than sums needed? */
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

  get hasSettled(): boolean {
    return this.#span !== null
  }

  newest(column: number): number {
    return cellOf(this.#newest, this.#newestAt, column)
  }

  /** The cell of the n-th event back from the newest one, n = 1; there are as many. */
  nthNewest(column: number, n: number): number {
    const { groups } = this.#older as OlderBlocks
    let [g, b] = [this.#newestG, this.#newestB]
    let [block, at, left] = [this.#newest as Block, this.#newestAt, n - 1]
    while (left > at - block.start) {
      left -= at - block.start + 1
      b = b === 0 ? (groups[--g] as Group).blocks.length - 1 : b - 1
      block = groups[g]?.blocks[b] as Block
      at = block.end - 1
    }
    return cellOf(block, at - left, column)
  }

  oldest(column: number): number {
    return cellOf(this.#oldest, this.#oldestAt, column)
  }

  /** Events whose text in column `distinct[d]` has not occurred after a time. */
  unlinked(d: number, afterMs: number): number {
    const unlinked = this.#walked.unlinked(d, afterMs)
    return this.#span === null ? unlinked : unlinked + this.#span.unlinked(d, afterMs)
  }

  addTo(search: QuantileSearch, r: number): void {
    this.#walked.addTo(search, r)
  }

  /** Adds the settled events after a time, and drops what the previous window added of them. */
  #addSettled(afterMs: number, window: number): void {
    const older = this.#older as OlderBlocks
    const { summaries } = this.#layout
    if (this.#span === null) {
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

  /** Adds settled blocks near an edge. @param upTo the first block not to add; `null`: add all */
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

  #beginAt(block: Block): void {
    this.#newest = block
    this.#newestG = this.#g
    this.#newestB = this.#b
    this.#newestAt = (this.#at === END ? block.end : this.#at) - 1
  }

  /** Adds the group that ends here, or else the block, if all of it is after a time. */
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

  /** Adds the current block's events after a time. @returns were these all that it had left? */
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

  #added(block: Block, at: number, count: number): void {
    this.#oldest = block
    this.#oldestAt = at
    this.count += count
  }
}

/** In a loop: for so few numbers, a call costs more. */
function copy(from: Float64Array, into: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = from[i] as number
}

function cellOf(block: Block | null, at: number, column: number): number {
  return block?.data[block.column(column) + at] as number
}

interface BlockPart {
  block: Block
  from: number
  upTo: number
}

/** The blocks that a walk has visited. The lists never shrink, because growing again would allocate. */
class WalkedBlocks {
  readonly #layout: Layout
  readonly #wholes: Whole[] = []
  readonly #parts: BlockPart[] = []
  #wholeCount = 0
  #partCount = 0
  #markedWholes = 0
  #markedParts = 0

  constructor(layout: Layout) {
    this.#layout = layout
  }

  clear(): void {
    this.#wholeCount = 0
    this.#partCount = 0
  }

  mark(): void {
    this.#markedWholes = this.#wholeCount
    this.#markedParts = this.#partCount
  }

  goBack(): void {
    this.#wholeCount = this.#markedWholes
    this.#partCount = this.#markedParts
  }

  add(whole: Whole): void {
    this.#wholes[this.#wholeCount++] = whole
  }

  addPart(block: Block, from: number, upTo: number): void {
    const known = this.#parts[this.#partCount++]
    if (known === undefined) this.#parts.push({ block, from, upTo })
    else {
      known.block = block
      known.from = from
      known.upTo = upTo
    }
  }

  unlinked(d: number, afterMs: number): number {
    const { columns, ranked } = this.#layout
    let unlinked = 0
    for (let w = 0; w < this.#wholeCount; w++) {
      const whole = this.#wholes[w] as Whole
      unlinked += countUpTo(whole.data, whole.orderedAt(ranked.length + d), whole.size, afterMs)
    }
    for (let p = 0; p < this.#partCount; p++) {
      const { block, from, upTo } = this.#parts[p] as BlockPart
      const links = block.column(columns + d)
      for (let i = links + from; i < links + upTo; i++) {
        if ((block.data[i] as number) <= afterMs) unlinked++
      }
    }
    return unlinked
  }

  addTo(search: QuantileSearch, r: number): void {
    for (let w = 0; w < this.#wholeCount; w++) {
      const whole = this.#wholes[w] as Whole
      search.add(whole.data, whole.orderedAt(r), whole.size)
    }
    for (let p = 0; p < this.#partCount; p++) {
      const { block, from, upTo } = this.#parts[p] as BlockPart
      const column = block.column(this.#layout.ranked[r] as number)
      search.addUnordered(block.data, column + from, upTo - from)
    }
  }
}
