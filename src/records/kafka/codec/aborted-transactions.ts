/** An aborted transaction, as a fetch response lists it. */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/**
 * Tells which batches belong to aborted transactions, while a record set is read from its
 * beginning.
 */
export class AbortedTransactions {
  /**
   * Transactions not reached yet, sorted by their first offset, the last one first. (Brokers list
   * them by where they end.)
   */
  readonly #ahead: AbortedTransaction[]
  readonly #producers = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#ahead = aborted.toSorted((a, b) => b.firstOffset - a.firstOffset)
  }

  /** Called when reading has reached a batch that ends at `lastOffset`. */
  reach(lastOffset: number): void {
    for (let next = this.#ahead.at(-1); next !== undefined; next = this.#ahead.at(-1)) {
      if (next.firstOffset > lastOffset) return
      this.#producers.add(next.producerId)
      this.#ahead.pop()
    }
  }

  /**
   * Called at the producer's abort marker: what it writes after that belongs to another
   * transaction.
   */
  end(producerId: number): void {
    this.#producers.delete(producerId)
  }

  /** Is a transactional batch of this producer aborted at the current position? */
  has(producerId: number): boolean {
    return this.#producers.has(producerId)
  }
}
