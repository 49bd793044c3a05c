import type { TopicPartition } from '../records/port.ts'

/** Maps records in flight to the input lines that they came from. */
export class LineBook {
  /**
   * By partition: the offset of the first line stored, and the numbers of the lines from there on.
   */
  readonly #partitions = new Map<number, { first: number; lines: number[] }>()
  #inFlight = 0

  /** Number of lines stored. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Offsets of a partition must be added in order, without a gap. */
  add({ partition, offset }: TopicPartition & { readonly offset: number }, line: number): void {
    const book = this.#partitions.get(partition) ?? { first: offset, lines: [] }
    this.#partitions.set(partition, book)
    book.lines.push(line)
    this.#inFlight++
  }

  /** The number of a record's line; `undefined`: it is not stored. */
  lineAt(partition: number, offset: number): number | undefined {
    const book = this.#partitions.get(partition)
    return book?.lines[offset - book.first]
  }

  /** Removes the lines before an offset. */
  forget(partition: number, before: number): void {
    const book = this.#partitions.get(partition)
    if (book === undefined || before <= book.first) return
    const forgotten = book.lines.splice(0, before - book.first)
    book.first = before
    this.#inFlight -= forgotten.length
  }
}
