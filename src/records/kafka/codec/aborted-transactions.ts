/** A transaction that was aborted, as a fetch response lists it. */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/**
 * Tells which batches belong to aborted transactions, while a record set is read from its
 * beginning.
 */
export class AbortedTransactions {
  /** The one that began last is first; brokers list them by where they end. */
  readonly #ahead: AbortedTransaction[]
  readonly #producers = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#ahead = aborted.toSorted((a, b) => b.firstOffset - a.firstOffset)
  }

  /** Reading has come to a batch that ends at `lastOffset`. */
  reach(lastOffset: number): void {
    for (let next = this.#ahead.at(-1); next !== undefined; next = this.#ahead.at(-1)) {
      if (next.firstOffset > lastOffset) return
      this.#producers.add(next.producerId)
      this.#ahead.pop()
    }
  }

  /** The producer's abort marker was met: what it writes from here on is another transaction. */
  end(producerId: number): void {
    this.#producers.delete(producerId)
  }

  /** Is what the producer wrote here, in a transaction, aborted? */
  has(producerId: number): boolean {
    return this.#producers.has(producerId)
  }
}
