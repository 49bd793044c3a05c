import { TidemarkError } from '../../kernel/errors.ts'
import { Block, Group } from './blocks.ts'
import { LatestTimes, NewestTexts } from './distinct-texts.ts'
import type { EventBuffer } from './event-buffer.ts'
import type { Layout } from './layout.ts'

/** A block, by the index of its group and its index there. */
export interface BlockPlace {
  readonly g: number
  readonly b: number
}

/**
 * A key's older events, as groups of blocks. An out-of-order event moves those of one block only.
 * Different texts are counted by previous occurrence (Muthukrishnan, "Efficient algorithms for
 * document retrieval problems", 2002): an event links to the time at which its text occurred
 * before, and (edge, t] has as many different texts as events whose link is at or before the edge.
 */
export class OlderBlocks {
  readonly groups: Group[] = []
  size = 0
  newestMs = Number.NEGATIVE_INFINITY
  oldestMs = Number.POSITIVE_INFINITY
  newestPrunedMs = Number.NEGATIVE_INFINITY
  /** `null`: none is settled. Out-of-order events reach the newest blocks. */
  newestSettled: Block | null = null
  /** Changes with the settled blocks. */
  settledVersion = 0
  /** Event time of the oldest event after the settled blocks. */
  unsettledMs = Number.NEGATIVE_INFINITY
  /** `null`: not requested yet. */
  newestTexts: NewestTexts | null = null
  #unsettled = 0
  readonly #layout: Layout
  /** By column of `distinct`, then by text: the newest occurrence in the blocks, perhaps pruned. */
  readonly #latest: readonly LatestTimes[]
  readonly #cells: Float64Array

  constructor(layout: Layout) {
    this.#layout = layout
    this.#latest = layout.distinct.map(() => new LatestTimes(layout.slabs, layout.hash))
    this.#cells = new Float64Array(layout.width - 1)
  }

  latestOf(d: number, text: number): number {
    return (this.#latest[d] as LatestTimes).of(text)
  }

  blockAt({ g, b }: BlockPlace): Block {
    return (this.groups[g] as Group).blocks[b] as Block
  }

  /** Moves by blocks, at most to the oldest block, or to the place after the newest one. */
  placeBeside({ g, b }: BlockPlace, blocks: number): BlockPlace {
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
  oldestMsFrom({ g, b }: BlockPlace): number {
    return g + b === 0 ? Number.NEGATIVE_INFINITY : (this.groups[g] as Group).oldestMs(b)
  }

  /** The newest group still grows, and the oldest one shrinks: sealing them would not pay off. */
  isInner(g: number): boolean {
    return g > 0 && g < this.groups.length - 1
  }

  textsOf(buffer: EventBuffer): NewestTexts {
    this.newestTexts ??= new NewestTexts(this.#layout, this, buffer)
    return this.newestTexts
  }

  /** The block of the newest event at or before a time, or else the first block. */
  placeOf(timeMs: number): BlockPlace {
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

  /** Copies a buffer's events before an index. They must be newer than all events in the blocks. */
  append(buffer: EventBuffer, upTo: number): void {
    const { block } = this.#layout.sizes
    for (let start = buffer.start; start < upTo; start += block) {
      this.#append(buffer, { start, end: Math.min(start + block, upTo) })
    }
    this.newestMs = buffer.timeAt(upTo - 1)
  }

  /** Inserts an event that is older than the newest one in the blocks. */
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

  prune(cutMs: number): void {
    while (this.oldestMs <= cutMs) {
      const block = this.groups[0]?.blocks[0] as Block
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

  copy(): OlderBlocks {
    const copy = new OlderBlocks(this.#layout)
    copy.newestPrunedMs = this.newestPrunedMs
    for (const { blocks } of this.groups) for (const of of blocks) copy.append(of, of.end)
    return copy
  }

  /** Frees a copy; the texts of its events are held by the original. */
  discard(): void {
    for (const group of this.groups) {
      while (group.blocks.length > 0) group.shift()
      group.free()
    }
    this.free()
  }

  /** Frees what belongs to no group. {@link prune} must have dropped all events. */
  free(): void {
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
    if (this.oldestMs === Number.POSITIVE_INFINITY) this.#findOldest()
    this.#unsettled++
    if (this.#unsettled >= 2 * sizes.unsettled) this.#settle()
  }

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
    const oldest = this.groups[0]?.blocks[0]
    this.oldestMs = oldest?.timeAt(oldest.start) ?? Number.POSITIVE_INFINITY
  }

  /** Makes room in a full block: splits it, or uses the room of pruned events. */
  #makeRoom({ g, b }: BlockPlace): void {
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

  /** @returns the link of an event inserted there; the text's next occurrence then links to it */
  #linkAt(
    { g, b, at }: BlockPlace & { at: number },
    d: number,
    text: number,
    timeMs: number,
  ): number {
    const latest = this.#latest[d] as LatestTimes
    const latestMs = latest.of(text)
    if (latestMs > timeMs) return this.#relinkNext({ g, b, at }, d, text, timeMs)
    latest.set(text, timeMs, this.newestPrunedMs)
    return latestMs
  }

  #relinkNext(
    { g, b, at }: BlockPlace & { at: number },
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
    throw new TidemarkError('INVARIANT', 'the next occurrence of a text was not found')
  }
}

export function releaseTexts({ texts }: Layout, events: EventBuffer, upTo: number): void {
  for (const { column, dictionary } of texts) {
    const base = events.column(column)
    for (let i = events.start; i < upTo; i++) dictionary.release(events.data[base + i] as number)
  }
}
