import type { TopicPartition } from '../records/port.ts'

/** Which input line a record came from, for as long as the record is in flight. */
export class LineBook {
  /** By partition: the offset of the first line that is kept, and the lines from there on. */
  readonly #partitions = new Map<number, { first: number; lines: number[] }>()
  #inFlight = 0

  /** Lines that are kept. */
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

  lineAt(partition: number, offset: number): number | undefined {
    const book = this.#partitions.get(partition)
    return book?.lines[offset - book.first]
  }

  /** Forgets the lines before an offset. */
  forget(partition: number, before: number): void {
    const book = this.#partitions.get(partition)
    if (book === undefined || before <= book.first) return
    const forgotten = book.lines.splice(0, before - book.first)
    book.first = before
    this.#inFlight -= forgotten.length
  }
}
