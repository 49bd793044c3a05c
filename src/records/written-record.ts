import { murmur2, placeOf } from '../kernel/partitioners.ts'
import type { Header, NewRecord } from './port.ts'
import { readVarint, varintBytes } from './varint.ts'

/** Where the parts of a record lie, one behind the other. */
interface Place {
  readonly bytes: Buffer
  readonly from: number
  readonly to: number
}

/**
 * A record whose key, value and headers are written already, as they stand in a batch of Kafka's (record format v2: each behind its
 * length). A driver copies them; to who asks for one it is cut out, each time anew.
 */
export class WrittenRecord implements NewRecord {
  readonly topic: string
  readonly partition = null
  readonly timestampMs: number
  readonly #bytes: Buffer
  readonly #from: number
  readonly #to: number

  constructor(topic: string, timestampMs: number, { bytes, from, to }: Place) {
    this.topic = topic
    this.timestampMs = timestampMs
    this.#bytes = bytes
    this.#from = from
    this.#to = to
  }

  get partsBytes(): number {
    return this.#to - this.#from
  }

  copyParts(target: Buffer, at: number): void {
    this.#bytes.copy(target, at, this.#from, this.#to)
  }

  get key(): Buffer | null {
    return this.#partAt(this.#from)
  }

  /** The partition of its key in a topic with that many, by murmur2; without a key 0. */
  partitionOf(partitions: number): number {
    const length = readVarint(this.#bytes, this.#from)
    if (length < 0) return 0
    const begin = this.#from + varintBytes(length)
    return placeOf(murmur2(this.#bytes, begin, begin + length), partitions)
  }

  get value(): Buffer | null {
    return this.#partAt(this.#behind(this.#from))
  }

  /** Bytes of the value. */
  get valueBytes(): number {
    return Math.max(0, readVarint(this.#bytes, this.#behind(this.#from)))
  }

  get headers(): readonly Header[] {
    let at = this.#behind(this.#behind(this.#from))
    const count = readVarint(this.#bytes, at)
    at += varintBytes(count)
    return Array.from({ length: count }, () => {
      const name = String(this.#partAt(at))
      at = this.#behind(at)
      const value = this.#partAt(at) as Buffer
      at = this.#behind(at)
      return { name, value }
    })
  }

  #partAt(at: number): Buffer | null {
    const length = readVarint(this.#bytes, at)
    const begin = at + varintBytes(length)
    return length < 0 ? null : this.#bytes.subarray(begin, begin + length)
  }

  #behind(at: number): number {
    const length = readVarint(this.#bytes, at)
    return at + varintBytes(length) + Math.max(0, length)
  }
}
