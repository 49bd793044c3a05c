// The order of the records of a topic: in one partition that of the log. Across partitions, which
// share a key after partitions were added or producers changed, the later timestamp counts, then
// the larger offset, then the larger partition, whichever partition is read first.

export interface RecordId {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
}

/** @param other `undefined`: there is none before */
export function isLater(id: RecordId, other: RecordId | undefined): boolean {
  if (other === undefined) return true
  if (id.partition === other.partition) return id.offset > other.offset
  if (id.timestampMs !== other.timestampMs) return id.timestampMs > other.timestampMs
  return id.offset === other.offset ? id.partition > other.partition : id.offset > other.offset
}

/** Most keys kept after all of the topic was read: those removed last. */
const MOST_GONE = 10_000
/** Bytes of a key besides its text, measured on Node 20. */
const KEY_BYTES = 150

/** Records that have removed a key, so that earlier ones do not bring it back. */
export class GoneKeys {
  readonly #gone = new Map<string, RecordId>()
  #isLoaded = false
  bytes = 0

  get(key: string): RecordId | undefined {
    return this.#gone.get(key)
  }

  add(key: string, by: RecordId): void {
    this.remove(key)
    this.#gone.set(key, by)
    this.bytes += KEY_BYTES + key.length
    this.#trim()
  }

  remove(key: string): void {
    if (this.#gone.delete(key)) this.bytes -= KEY_BYTES + key.length
  }

  /** All of the topic was read, so records from now on are hardly older. */
  endLoad(): void {
    this.#isLoaded = true
    this.#trim()
  }

  #trim(): void {
    if (!this.#isLoaded) return
    for (const key of this.#gone.keys()) {
      if (this.#gone.size <= MOST_GONE) return
      this.remove(key)
    }
  }
}
