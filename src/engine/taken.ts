import type { Block, Whole } from './block.ts'
import type { Layout } from './layout.ts'
import { countUpTo } from './ordered.ts'
import type { Selection } from './selection.ts'

/** Events of a block that lie at an edge. */
interface Part {
  block: Block
  from: number
  upTo: number
}

/**
 * The blocks, groups and parts of blocks that a walk has gone over, to be asked for more than what
 * they come to. There is one for very many walks: its lists stay as long as they ever were, since
 * an array that is made shorter is made anew.
 */
export class Taken {
  readonly #layout: Layout
  readonly #wholes: Whole[] = []
  readonly #parts: Part[] = []
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

  /** What is taken until now stays when it {@link goBack goes back}. */
  mark(): void {
    this.#markedWholes = this.#wholeCount
    this.#markedParts = this.#partCount
  }

  /** Leaves out what was taken since the mark. */
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

  /** How many events have a text in column `distinct[d]` that has not occurred after a time. */
  unlinked(d: number, afterMs: number): number {
    const { columns, ranked } = this.#layout
    let unlinked = 0
    for (let w = 0; w < this.#wholeCount; w++) {
      const whole = this.#wholes[w] as Whole
      unlinked += countUpTo(whole.data, whole.orderedAt(ranked.length + d), whole.size, afterMs)
    }
    for (let p = 0; p < this.#partCount; p++) {
      const { block, from, upTo } = this.#parts[p] as Part
      const links = block.column(columns + d)
      for (let i = links + from; i < links + upTo; i++) {
        if ((block.data[i] as number) <= afterMs) unlinked++
      }
    }
    return unlinked
  }

  /** Adds the values of column `ranked[r]`. */
  addTo(selection: Selection, r: number): void {
    for (let w = 0; w < this.#wholeCount; w++) {
      const whole = this.#wholes[w] as Whole
      selection.add(whole.data, whole.orderedAt(r), whole.size)
    }
    for (let p = 0; p < this.#partCount; p++) {
      const { block, from, upTo } = this.#parts[p] as Part
      const column = block.column(this.#layout.ranked[r] as number)
      selection.addUnordered(block.data, column + from, upTo - from)
    }
  }
}
