import type { Block, Group, Whole } from './blocks.ts'
import type { Layout } from './layout.ts'
import type { BlockPlace, OlderBlocks } from './older-blocks.ts'
import { countUpTo } from './quantiles.ts'

const NO_LINKS = new Float64Array(0)
/** Blocks by which an edge may move forward before everything is recomputed. */
const AHEAD = 6
/** Blocks by which it may move backwards, as an out-of-order event's does. */
const BEHIND = 4

/**
 * A window's part of a long history's settled blocks, without the few near its edge. It is computed
 * again only when the edge has moved by some blocks, so that a window of a hundred thousand events
 * costs as much as one of a thousand. Most texts occurred before or after the blocks near the edge;
 * the times within them are kept in order.
 */
export class SettledSpan {
  count = 0
  readonly sums: Float64Array
  oldest: Block | null = null
  readonly #layout: Layout
  /** By column of `distinct`: links before every edge, and the later ones in order. */
  readonly #before: number[]
  readonly #links: Float64Array[]
  #version = -1
  /** It is valid for edges with from ≤ edge < upTo. */
  #fromMs = 0
  #upToMs = 0

  constructor(layout: Layout) {
    this.#layout = layout
    this.sums = new Float64Array(layout.summaries.numbers)
    this.#before = layout.distinct.map(() => 0)
    this.#links = layout.distinct.map(() => NO_LINKS)
  }

  /** @param o `newest`: the newest settled block; `hasLinks`: will different texts be counted? */
  turnTo(
    afterMs: number,
    older: OlderBlocks,
    { newest, hasLinks }: { readonly newest: BlockPlace; readonly hasLinks: boolean },
  ): void {
    // Events may have been pruned after that time, and in blocks that it covers.
    const edgeMs = Math.max(afterMs, older.newestPrunedMs)
    const isThere = this.#version === older.settledVersion
    if (isThere && edgeMs >= this.#fromMs && edgeMs < this.#upToMs) return
    this.#version = older.settledVersion
    const edge = older.placeOf(edgeMs)
    const wholes = this.#addAll(older, newest, older.placeBeside(edge, AHEAD))
    this.#fromMs = older.oldestMsFrom(older.placeBeside(edge, -BEHIND))
    this.#upToMs = this.oldest?.timeAt(0) ?? Number.POSITIVE_INFINITY
    if (hasLinks) this.#findLinks(wholes, Math.max(this.#fromMs, older.newestPrunedMs))
  }

  unlinked(d: number, afterMs: number): number {
    const links = this.#links[d] as Float64Array
    return (this.#before[d] as number) + countUpTo(links, 0, links.length, afterMs)
  }

  #addAll(older: OlderBlocks, newest: BlockPlace, last: BlockPlace): readonly Whole[] {
    const { summaries } = this.#layout
    this.count = 0
    this.oldest = null
    summaries.clear(this.sums)
    const wholes: Whole[] = []
    for (let { g, b } = newest; g >= last.g; b = (older.groups[--g]?.blocks.length ?? 0) - 1) {
      const group = older.groups[g] as Group
      const least = g === last.g ? last.b : 0
      if (least === 0 && b === group.blocks.length - 1 && older.isInner(g)) {
        wholes.push(this.#addGroup(group))
        continue
      }
      for (let at = b; at >= least; at--) wholes.push(this.#addBlock(group, at))
    }
    return wholes
  }

  #addGroup(group: Group): Whole {
    if (!group.isSealed) group.seal()
    group.addAllTo(this.sums)
    this.count += group.size
    this.oldest = group.blocks[0] as Block
    return group
  }

  #addBlock(group: Group, b: number): Whole {
    group.addBlockTo(this.sums, b)
    this.count += group.countOf(b)
    this.oldest = group.blocks[b] as Block
    return this.oldest
  }

  #findLinks(wholes: readonly Whole[], fromMs: number): void {
    const { ranked, distinct } = this.#layout
    for (let d = 0; d < distinct.length; d++) {
      const links: number[] = []
      let before = 0
      for (const whole of wholes) {
        const { data, size } = whole
        const ordered = whole.orderedAt(ranked.length + d)
        const first = countUpTo(data, ordered, size, fromMs)
        before += first
        for (let i = first; i < size && (data[ordered + i] as number) < this.#upToMs; i++) {
          links.push(data[ordered + i] as number)
        }
      }
      this.#before[d] = before
      this.#links[d] = Float64Array.from(links).sort()
    }
  }
}
