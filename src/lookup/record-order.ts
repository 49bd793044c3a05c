// The order of the records of a table's topic. In one partition it is that of the log. Where records
// of one key are in several partitions, because partitions were added or producers partition in
// another way now, the later timestamp counts, of equal ones the larger offset, and then the larger
// partition: whichever partition is read first, the same record counts.

/** Which record of a topic it is. */
export interface RecordId {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
}

/** Whether a record is later than another one. */
export function isLater(one: RecordId, other: RecordId): boolean {
  if (one.partition === other.partition) return one.offset > other.offset
  if (one.timestampMs !== other.timestampMs) return one.timestampMs > other.timestampMs
  return one.offset === other.offset ? one.partition > other.partition : one.offset > other.offset
}

/** Keys that are remembered to be gone once all of the topic was read: those that went last. */
const MOST_GONE = 10_000
/** Bytes that a key takes besides its text, as measured on Node 20. */
const KEY_BYTES = 150

/**
 * The records that have removed a key. An earlier record of another partition, which is read later,
 * must not bring it back.
 */
export class GoneKeys {
  readonly #gone = new Map<string, RecordId>()
  #isSettled = false
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  get(key: string): RecordId | undefined {
    return this.#gone.get(key)
  }

  add(key: string, by: RecordId): void {
    this.remove(key)
    this.#gone.set(key, by)
    this.#bytes += KEY_BYTES + key.length
    this.#trim()
  }

  remove(key: string): void {
    if (this.#gone.delete(key)) this.#bytes -= KEY_BYTES + key.length
  }

  /** All of the topic was read: what is read from now on is not much older than what was. */
  settle(): void {
    this.#isSettled = true
    this.#trim()
  }

  #trim(): void {
    if (!this.#isSettled) return
    for (const key of this.#gone.keys()) {
      if (this.#gone.size <= MOST_GONE) return
      this.remove(key)
    }
  }
}
