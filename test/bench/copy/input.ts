import type { NewRecord } from '../../../src/records/port.ts'
import { Checksums, type Content } from './checksums.ts'

// Records to be copied: a key, and a value that nobody reads.

const KEYS = 100_000
const NUMBER_DIGITS = 10
/**
 * Values are cut from it at ever other places, so that they differ without being made byte by byte.
 */
const POOL = pool(65_536)

/** Bytes of no pattern (xorshift, Marsaglia 2003): the same in every run. */
function pool(bytes: number): Buffer {
  const made = Buffer.alloc(bytes)
  let state = 1
  for (let at = 0; at < bytes; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    made[at] = state
  }
  return made
}

export interface InputOptions {
  readonly topic: string
  readonly records: number
  /** Of key and value together. */
  readonly bytes: number
  readonly partitions: number
}

/**
 * The records of an input topic in the order in which they are written, evenly over its partitions.
 */
export class Input {
  readonly options: InputOptions
  readonly #checksums: Checksums
  #made = 0

  constructor(options: InputOptions) {
    this.options = options
    this.#checksums = new Checksums(options.partitions)
  }

  /** The next ones. Fewer when there are no more. */
  next(count: number): NewRecord[] {
    const { topic, records, bytes, partitions } = this.options
    const timestampMs = Date.now()
    const made: NewRecord[] = []
    for (; made.length < count && this.#made < records; this.#made++) {
      const partition = this.#made % partitions
      const key = Buffer.from(`key-${(this.#made * 7_919) % KEYS}`)
      const value = valueOf(this.#made, bytes - key.length)
      this.#checksums.add(partition, { key, value })
      made.push({ topic, partition, key, value, timestampMs, headers: [] })
    }
    return made
  }

  /** What the topic's partitions hold when all that was made is in them. */
  get contents(): readonly Content[] {
    return this.#checksums.contents
  }
}

function valueOf(number: number, bytes: number): Buffer {
  const value = Buffer.allocUnsafe(bytes)
  const digits = value.write(String(number).padStart(NUMBER_DIGITS, '0'))
  POOL.copy(value, digits, (number * 31) % (POOL.length - bytes))
  return value
}
