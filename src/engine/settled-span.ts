import type { Block, Whole } from './block.ts'
import type { Group } from './group.ts'
import type { Layout } from './layout.ts'
import type { OlderBlocks, Place } from './older-blocks.ts'
import { countUpTo } from './ordered.ts'

const NO_LINKS = new Float64Array(0)
/** An edge may move on by so many blocks before all is worked out anew. */
const AHEAD = 6
/** It may be so many blocks behind: that of an event out of order is. */
const BEHIND = 4

/**
 * What a window takes of the settled blocks of a long history, but for the few blocks near its
 * edge. That changes only when the edge has moved on by some blocks, or when other blocks are
 * settled: until then a window of a hundred thousand events costs what one of a thousand costs.
 *
 * Of different texts those are counted that have not occurred since the edge, which depends on
 * where the edge lies. Most occurred before the blocks near it or after them; the times within them
 * are kept in order.
 */
export class SettledSpan {
  /** Events in it. */
  count = 0
  /** What they come to. */
  readonly sums: Float64Array
  /** Its oldest block; `null`: it has none. */
  oldest: Block | null = null
  readonly #layout: Layout
  /**
   * For each of `distinct`: how many events link to a time before which no edge lies, and the links
   * behind that, in order.
   */
  readonly #before: number[]
  readonly #links: Float64Array[]
  /** Which settled blocks it is of. */
  #version = -1
  /** It is for edges from ≤ edge < upTo. */
  #fromMs = 0
  #upToMs = 0

  constructor(layout: Layout) {
    this.#layout = layout
    this.sums = new Float64Array(layout.summaries.numbers)
    this.#before = layout.distinct.map(() => 0)
    this.#links = layout.distinct.map(() => NO_LINKS)
  }

  /**
   * Turns to the window whose edge is at a time. @param o `newest`: the newest settled block;
   * `hasLinks`: will different texts be asked for?
   */
  turnTo(
    afterMs: number,
    older: OlderBlocks,
    { newest, hasLinks }: { readonly newest: Place; readonly hasLinks: boolean },
  ): void {
    const isThere = this.#version === older.settledVersion
    if (isThere && afterMs >= this.#fromMs && afterMs < this.#upToMs) return
    this.#version = older.settledVersion
    const edge = older.placeOf(afterMs)
    const wholes = this.#takeAll(older, newest, older.placeBeside(edge, AHEAD))
    this.#fromMs = older.oldestMsFrom(older.placeBeside(edge, -BEHIND))
    this.#upToMs = this.oldest?.timeAt(0) ?? Number.POSITIVE_INFINITY
    if (hasLinks) this.#takeLinks(wholes, Math.max(this.#fromMs, older.newestPrunedMs))
  }

  /**
   * How many of its events have a text in column `distinct[d]` that has not occurred after a time.
   */
  unlinked(d: number, afterMs: number): number {
    const links = this.#links[d] as Float64Array
    return (this.#before[d] as number) + countUpTo(links, 0, links.length, afterMs)
  }

  /** Takes the blocks from the newest settled one back to another. */
  #takeAll(older: OlderBlocks, newest: Place, last: Place): readonly Whole[] {
    const { summaries } = this.#layout
    this.count = 0
    this.oldest = null
    summaries.clear(this.sums)
    const wholes: Whole[] = []
    for (let { g, b } = newest; g >= last.g; b = (older.groups[--g]?.blocks.length ?? 0) - 1) {
      const group = older.groups[g] as Group
      const least = g === last.g ? last.b : 0
      if (least === 0 && b === group.blocks.length - 1 && older.isInner(g)) {
        wholes.push(this.#takeGroup(group))
        continue
      }
      for (let at = b; at >= least; at--) wholes.push(this.#takeBlock(group, at))
    }
    return wholes
  }

  #takeGroup(group: Group): Whole {
    if (!group.isSealed) group.seal()
    group.addAllTo(this.sums)
    this.count += group.size
    this.oldest = group.blocks[0] as Block
    return group
  }

  #takeBlock(group: Group, b: number): Whole {
    group.addBlockTo(this.sums, b)
    this.count += group.countOf(b)
    this.oldest = group.blocks[b] as Block
    return this.oldest
  }

  #takeLinks(wholes: readonly Whole[], fromMs: number): void {
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
