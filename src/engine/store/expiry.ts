/** Buckets per retention; a live key is filed again at most this often in that time. */
const BUCKETS = 16
const NARROWEST_MS = 1_000

interface KeyAccess {
  readonly newestMsOf: (key: number) => number
  readonly evict: (key: number) => void
}

/**
 * Finds silent keys at no cost for the events that arrive: a key is filed once under the time of
 * its newest event, and checked again when the watermark has passed that time. (A calendar queue:
 * Brown 1988.)
 */
export class Expiry {
  readonly #retentionMs: number
  readonly #widthMs: number
  readonly #buckets = new Map<number, number[]>()
  /** In order of time. */
  readonly #order: number[] = []

  /** @param retentionMs how far behind the watermark the newest event of an evicted key is */
  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs
    this.#widthMs = Math.max(NARROWEST_MS, Math.ceil(retentionMs / BUCKETS))
  }

  /** Files a key under a time that is not after its newest event's. */
  file(key: number, timeMs: number): void {
    const id = Math.floor(timeMs / this.#widthMs)
    const bucket = this.#buckets.get(id)
    if (bucket !== undefined) {
      bucket.push(key)
      return
    }
    this.#buckets.set(id, [key])
    let at = this.#order.length
    while (at > 0 && (this.#order[at - 1] as number) > id) at--
    this.#order.splice(at, 0, id)
  }

  /**
   * Evicts keys that the watermark has left behind, checking at most `most`. Rows do not depend on
   * when it is called.
   * @param o `newestMsOf`: event time of a key's newest event
   */
  sweep(watermarkMs: number, most: number, { newestMsOf, evict }: KeyAccess): void {
    const cutMs = watermarkMs - this.#retentionMs
    let left = most
    while (this.#order.length > 0) {
      const id = this.#order[0] as number
      if ((id + 1) * this.#widthMs > cutMs) return
      const bucket = this.#buckets.get(id) as number[]
      while (bucket.length > 0) {
        if (left-- === 0) return
        const key = bucket.pop() as number
        const newestMs = newestMsOf(key)
        if (newestMs > cutMs) this.file(key, newestMs)
        else evict(key)
      }
      this.#buckets.delete(id)
      this.#order.shift()
    }
  }
}
