/** Keys filed under numbers, and taken in ascending order (a calendar queue: Brown 1988). */
export class Calendar {
  readonly #keys = new Map<number, number[]>()
  readonly #order: number[] = []

  /** The least number with keys; `null`: there is none. */
  get first(): number | null {
    return this.#order[0] ?? null
  }

  file(key: number, under: number): void {
    const keys = this.#keys.get(under)
    if (keys !== undefined) {
      keys.push(key)
      return
    }
    this.#keys.set(under, [key])
    let at = this.#order.length
    while (at > 0 && (this.#order[at - 1] as number) > under) at--
    this.#order.splice(at, 0, under)
  }

  keysOf(number: number): number[] {
    return this.#keys.get(number) ?? []
  }

  removeFirst(): void {
    this.#keys.delete(this.#order.shift() as number)
  }
}

/** Buckets per retention; a live key is filed again at most this often in that time. */
const BUCKETS = 16
const NARROWEST_MS = 1_000

interface KeyAccess {
  readonly newestMsOf: (key: number) => number
  readonly evict: (key: number) => void
}

/** Files a key once under the time of its newest event, and checks it when that has passed. */
export class Expiry {
  readonly #retentionMs: number
  readonly #widthMs: number
  readonly #buckets = new Calendar()

  /** @param retentionMs how far behind the watermark the newest event of an evicted key is */
  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs
    this.#widthMs = Math.max(NARROWEST_MS, Math.ceil(retentionMs / BUCKETS))
  }

  /** Files a key under a time that is not after its newest event's. */
  file(key: number, timeMs: number): void {
    this.#buckets.file(key, Math.floor(timeMs / this.#widthMs))
  }

  /** Checks at most `most` keys. Rows do not depend on when it is called. */
  sweep(watermarkMs: number, most: number, { newestMsOf, evict }: KeyAccess): void {
    const cutMs = watermarkMs - this.#retentionMs
    let left = most
    const buckets = this.#buckets
    for (
      let id = buckets.first;
      id !== null && (id + 1) * this.#widthMs <= cutMs;
      id = buckets.first
    ) {
      const keys = buckets.keysOf(id)
      while (keys.length > 0) {
        if (left-- === 0) return
        const key = keys.pop() as number
        const newestMs = newestMsOf(key)
        if (newestMs > cutMs) this.file(key, newestMs)
        else evict(key)
      }
      buckets.removeFirst()
    }
  }
}
