// Lets silent keys go by the watermark, at no cost for the events that come: a key is filed once
// under the time of its newest event, and looked at again only when the watermark has passed that
// time. (A calendar queue: Brown 1988.)

/**
 * Buckets that the retention is cut into: a key is filed anew at most so often while it stays
 * alive.
 */
const BUCKETS = 16
const NARROWEST_MS = 1_000

interface Asked {
  readonly newestMsOf: (key: number) => number
  readonly letGo: (key: number) => void
}

export class Expiry {
  readonly #retentionMs: number
  readonly #widthMs: number
  readonly #buckets = new Map<number, number[]>()
  /** The buckets there are, in order of time. */
  readonly #order: number[] = []

  /** @param retentionMs a key may go when its newest event is so far behind the watermark */
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
   * Lets go keys that the watermark has left behind, looking at no more than `most`. What a row
   * sees does not depend on when.
   * @param o `newestMsOf`: event time of a key's newest event
   */
  sweep(watermarkMs: number, most: number, { newestMsOf, letGo }: Asked): void {
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
        else letGo(key)
      }
      this.#buckets.delete(id)
      this.#order.shift()
    }
  }
}
