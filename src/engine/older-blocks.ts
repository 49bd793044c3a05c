import { TidemarkError } from '../kernel/errors.ts'
import { Block } from './block.ts'
import type { EventBuffer } from './event-buffer.ts'
import { Group } from './group.ts'
import { LatestTimes } from './latest-times.ts'
import type { Layout } from './layout.ts'
import { NewestTexts } from './newest-texts.ts'

// What a key with many events holds beside its newest ones: groups of blocks of events. An event
// out of order moves the events of one block and no others; a window takes blocks and groups as
// wholes.
//
// Different texts are counted by previous occurrence, as in range distinct counting (Muthukrishnan,
// "Efficient algorithms for document retrieval problems", 2002, for arrays that do not change):
// each event has a link to the time at which its text occurred before, and in (edge, t] there are
// as many different texts as events that link to the edge or before it.

/** A block, by its index in a group. */
export interface Place {
  readonly g: number
  readonly b: number
}

export class OlderBlocks {
  readonly groups: Group[] = []
  /** Events in them. */
  size = 0
  newestMs = Number.NEGATIVE_INFINITY
  oldestMs = Number.POSITIVE_INFINITY
  newestPrunedMs = Number.NEGATIVE_INFINITY
  /**
   * The newest block that is settled: all but the newest ones are, which events out of order still
   * reach; `null`: none is.
   */
  newestSettled: Block | null = null
  /** Another one whenever other blocks are settled, or those that are have changed. */
  settledVersion = 0
  /** The oldest event of the blocks that are not settled. */
  unsettledMs = Number.NEGATIVE_INFINITY
  /** `null`: nobody has asked for them. */
  newestTexts: NewestTexts | null = null
  #unsettled = 0
  #oldest: Block | null = null
  readonly #layout: Layout
  /**
   * For each of `distinct`, by text: the time of its newest occurrence here. Some may have been
   * pruned.
   */
  readonly #latest: readonly LatestTimes[]
  /** Of an event that enters. */
  readonly #cells: Float64Array

  constructor(layout: Layout) {
    this.#layout = layout
    this.#latest = layout.distinct.map(() => new LatestTimes(layout.slabs))
    this.#cells = new Float64Array(layout.width - 1)
  }

  /**
   * The time of the newest occurrence of a text in `distinct[d]`, perhaps a pruned one; −Infinity
   * if there is none.
   */
  latestOf(d: number, text: number): number {
    return (this.#latest[d] as LatestTimes).of(text)
  }

  blockAt({ g, b }: Place): Block {
    return (this.groups[g] as Group).blocks[b] as Block
  }

  /**
   * The block that is so many blocks newer, or older; if there are not so many, the one behind the
   * newest, or the oldest.
   */
  placeBeside({ g, b }: Place, blocks: number): Place {
    let place = { g, b: b + blocks }
    while (place.b < 0 && place.g > 0) {
      place = { g: place.g - 1, b: place.b + this.#blocksIn(place.g - 1) }
    }
    while (place.g < this.groups.length - 1 && place.b >= this.#blocksIn(place.g)) {
      place = { g: place.g + 1, b: place.b - this.#blocksIn(place.g) }
    }
    return { g: place.g, b: Math.max(0, Math.min(place.b, this.#blocksIn(place.g))) }
  }

  /** Event time of a block's oldest event; −Infinity for the oldest block. */
  oldestMsFrom({ g, b }: Place): number {
    return g + b === 0 ? Number.NEGATIVE_INFINITY : (this.groups[g] as Group).oldestMs(b)
  }

  /** The newest group grows and the oldest one shrinks: it would not pay to seal them. */
  isInner(g: number): boolean {
    return g > 0 && g < this.groups.length - 1
  }

  /** The texts of the buffer that is newer than all here. */
  textsOf(buffer: EventBuffer): NewestTexts {
    this.newestTexts ??= new NewestTexts(this.#layout, this, buffer)
    return this.newestTexts
  }

  /** The block of the newest event at or before a time; the first if there is none. */
  placeOf(timeMs: number): Place {
    let low = 0
    let high = this.groups.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.groups[middle] as Group).oldestMs(0) <= timeMs) low = middle
      else high = middle - 1
    }
    return { g: low, b: (this.groups[low] as Group).placeOf(timeMs) }
  }

  latestUpTo(timeMs: number): number {
    const block = this.blockAt(this.placeOf(timeMs))
    const after = block.after(timeMs)
    return after > block.start ? block.timeAt(after - 1) : Number.NEGATIVE_INFINITY
  }

  /** Takes over the events of a buffer before an index, which are newer than all here. */
  append(buffer: EventBuffer, upTo: number): void {
    const { block } = this.#layout.sizes
    for (let start = buffer.start; start < upTo; start += block) {
      this.#append(buffer, { start, end: Math.min(start + block, upTo) })
    }
    this.newestMs = buffer.timeAt(upTo - 1)
  }

  /** Enters an event that is older than the newest here. */
  insert(timeMs: number, cells: ArrayLike<number>): void {
    const { columns, distinct } = this.#layout
    let place = this.placeOf(timeMs)
    if (this.blockAt(place).end === this.#layout.sizes.block) {
      this.#makeRoom(place)
      place = this.placeOf(timeMs)
    }
    const block = this.blockAt(place)
    const at = block.after(timeMs)
    for (let c = 1; c < columns; c++) this.#cells[c - 1] = cells[c - 1] as number
    for (let d = 0; d < distinct.length; d++) {
      const text = cells[(distinct[d] as number) - 1] as number
      this.#cells[columns - 1 + d] = this.#linkAt({ ...place, at }, d, text, timeMs)
    }
    block.insert(at, timeMs, this.#cells)
    this.groups[place.g]?.entered(place.b, at)
    this.size++
    if (timeMs < this.unsettledMs) this.settledVersion++
    if (timeMs < this.oldestMs) this.oldestMs = timeMs
  }

  /** Drops the events at or before a time. */
  prune(cutMs: number): void {
    while (this.oldestMs <= cutMs) {
      const block = this.#oldest as Block
      const upTo = block.after(cutMs)
      this.newestPrunedMs = Math.max(this.newestPrunedMs, block.timeAt(upTo - 1))
      this.size -= upTo - block.start
      releaseTexts(this.#layout, block, upTo)
      if (block.isWhole) this.groups[0]?.pruned(0)
      block.start = upTo
      if (upTo === block.end) this.#dropFirst()
      else this.oldestMs = block.timeAt(upTo)
    }
  }

  free(): void {
    for (const group of this.groups) group.free()
    for (const latest of this.#latest) latest.free()
  }

  #append(buffer: EventBuffer, part: { start: number; end: number }): void {
    const { columns, distinct, sizes } = this.#layout
    const block = new Block(this.#layout)
    block.fill(buffer, part, columns)
    for (let d = 0; d < distinct.length; d++) this.#linkAll(block, d)
    block.order()
    let group = this.groups.at(-1)
    if (group === undefined || group.blocks.length === sizes.group) {
      group = new Group(this.#layout)
      this.groups.push(group)
    }
    group.put(group.blocks.length, block)
    this.size += block.size
    if (this.#oldest === null) this.#findOldest()
    this.#unsettled++
    if (this.#unsettled >= 2 * sizes.unsettled) this.#settle()
  }

  /** All blocks are settled but the newest ones. */
  #settle(): void {
    let left = this.#layout.sizes.unsettled
    let g = this.groups.length - 1
    for (; left >= this.#blocksIn(g); g--) left -= this.#blocksIn(g)
    const group = this.groups[g] as Group
    const oldest = group.blocks.length - left
    this.newestSettled = group.blocks[oldest - 1] as Block
    const unsettled = left > 0 ? group : (this.groups[g + 1] as Group)
    this.unsettledMs = unsettled.oldestMs(left > 0 ? oldest : 0)
    this.#unsettled = this.#layout.sizes.unsettled
    this.settledVersion++
  }

  #blocksIn(g: number): number {
    return (this.groups[g] as Group).blocks.length
  }

  /** Drops the first block, of which all has been pruned. */
  #dropFirst(): void {
    const group = this.groups[0] as Group
    if (this.newestSettled === null) this.#unsettled--
    else if (this.newestSettled === group.blocks[0]) {
      this.newestSettled = null
      this.settledVersion++
    }
    group.shift()
    if (group.blocks.length === 0) this.groups.shift()?.free()
    this.#findOldest()
  }

  #findOldest(): void {
    this.#oldest = this.groups[0]?.blocks[0] ?? null
    this.oldestMs = this.#oldest?.timeAt(this.#oldest.start) ?? Number.POSITIVE_INFINITY
  }

  /** Makes room in a full block. */
  #makeRoom({ g, b }: Place): void {
    const { sizes, width } = this.#layout
    const group = this.groups[g] as Group
    const block = group.blocks[b] as Block
    if (block.isWhole) {
      const newer = new Block(this.#layout)
      const middle = block.end >>> 1
      newer.fill(block, { start: middle, end: block.end }, width)
      newer.order()
      block.truncate(middle)
      group.put(b + 1, newer)
      if (newer.timeAt(0) >= this.unsettledMs) this.#unsettled++
    } else block.truncate(block.end)
    block.order()
    group.sum(b)
    if (group.blocks.length > sizes.group) this.#split(g)
  }

  #split(g: number): void {
    const group = this.groups[g] as Group
    group.unseal()
    const newer = new Group(this.#layout)
    for (const block of group.blocks.splice(group.blocks.length >>> 1)) {
      newer.put(newer.blocks.length, block)
    }
    this.groups.splice(g + 1, 0, newer)
  }

  /** Links the events of a block that is newer than all here. */
  #linkAll(block: Block, d: number): void {
    const { columns, distinct } = this.#layout
    const latest = this.#latest[d] as LatestTimes
    const texts = block.column(distinct[d] as number)
    const links = block.column(columns + d)
    for (let i = 0; i < block.end; i++) {
      const text = block.data[texts + i] as number
      block.data[links + i] = latest.of(text)
      latest.set(text, block.timeAt(i), this.newestPrunedMs)
    }
  }

  /**
   * The link of an event that enters there, and from now on the one of the text's next occurrence
   * links to it.
   */
  #linkAt({ g, b, at }: Place & { at: number }, d: number, text: number, timeMs: number): number {
    const latest = this.#latest[d] as LatestTimes
    const latestMs = latest.of(text)
    if (latestMs > timeMs) return this.#relinkNext({ g, b, at }, d, text, timeMs)
    latest.set(text, timeMs, this.newestPrunedMs)
    return latestMs
  }

  #relinkNext(
    { g, b, at }: Place & { at: number },
    d: number,
    text: number,
    timeMs: number,
  ): number {
    const column = this.#layout.distinct[d] as number
    for (; g < this.groups.length; g++) {
      const group = this.groups[g] as Group
      for (; b < group.blocks.length; b++) {
        const block = group.blocks[b] as Block
        const next = block.find(column, text, at)
        if (next !== -1) {
          const before = block.relink(d, next, timeMs)
          group.relinked(d, before, timeMs)
          return before
        }
        at = 0
      }
      b = 0
    }
    throw new TidemarkError('INVARIANT', 'the next occurrence of a text is not found')
  }
}

/** Takes back what the dictionaries hold for the events before an index. */
export function releaseTexts({ texts }: Layout, events: EventBuffer, upTo: number): void {
  for (const { column, dictionary } of texts) {
    const base = events.column(column)
    for (let i = events.start; i < upTo; i++) dictionary.release(events.data[base + i] as number)
  }
}
