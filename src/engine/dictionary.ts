import type { Cell } from '../topology/definition.ts'

/**
 * Small numbers for the texts that windows hold, so that a window keeps a number and not a string; and for all cells of a column
 * that may hold anything. A text is forgotten when the last event that holds it is pruned, and its number is used again.
 */
export class Dictionary {
  readonly #ids = new Map<Cell, number>()
  readonly #cells: Cell[] = []
  readonly #holders: number[] = []
  readonly #free: number[] = []

  /** Texts that are held. */
  get size(): number {
    return this.#ids.size
  }

  hold(cell: Cell): number {
    const known = this.#ids.get(cell)
    if (known !== undefined) {
      this.#holders[known] = (this.#holders[known] as number) + 1
      return known
    }
    const id = this.#free.pop() ?? this.#cells.length
    this.#ids.set(cell, id)
    this.#cells[id] = cell
    this.#holders[id] = 1
    return id
  }

  /** What a number in use stands for. */
  cellOf(id: number): Cell {
    return this.#cells[id] as Cell
  }

  release(id: number): void {
    const left = (this.#holders[id] as number) - 1
    this.#holders[id] = left
    if (left > 0) return
    this.#ids.delete(this.cellOf(id))
    this.#cells[id] = ''
    this.#free.push(id)
  }
}
