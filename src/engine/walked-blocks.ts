import type { Block, Whole } from './block.ts'
import type { Layout } from './layout.ts'
import { countUpTo } from './ordered.ts'
import type { Selection } from './selection.ts'

/** The events of a block at the edge of a walk. */
interface BlockPart {
  block: Block
  from: number
  upTo: number
}

/**
 * The blocks, groups and parts of blocks that a walk has visited, for results that need more than
 * their sums. One object serves very many walks: its lists never shrink, since an array that has
 * been made shorter is allocated again when it grows.
 */
export class WalkedBlocks {
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

  /** Marks what {@link goBack} keeps. */
  mark(): void {
    this.#markedWholes = this.#wholeCount
    this.#markedParts = this.#partCount
  }

  /** Removes what was added since the mark. */
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

  /** Number of events whose text in column `distinct[d]` has not occurred after a time. */
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

  /** Adds the values of column `ranked[r]` to a selection. */
  addTo(selection: Selection, r: number): void {
    for (let w = 0; w < this.#wholeCount; w++) {
      const whole = this.#wholes[w] as Whole
      selection.add(whole.data, whole.orderedAt(r), whole.size)
    }
    for (let p = 0; p < this.#partCount; p++) {
      const { block, from, upTo } = this.#parts[p] as BlockPart
      const column = block.column(this.#layout.ranked[r] as number)
      selection.addUnordered(block.data, column + from, upTo - from)
    }
  }
}
