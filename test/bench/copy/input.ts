import type { NewRecord } from '../../../src/connect/port.ts'
import { Checksums, type Content } from './checksums.ts'

// The records to be copied: a key, and a value that is not read.

const KEYS = 100_000
const NUMBER_DIGITS = 10
/** Values are slices of it at different places: they differ, and are cheap to make. */
const POOL = pool(65_536)

/** Pseudorandom bytes (xorshift, Marsaglia 2003), the same in every run. */
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

/** The size of an input topic. */
export interface InputOptions {
  readonly topic: string
  readonly records: number
  /** The size of key and value together. */
  readonly bytes: number
  readonly partitions: number
}

/** Makes the records of an input topic, in write order, evenly over its partitions. */
export class Input {
  readonly options: InputOptions
  readonly #checksums: Checksums
  #made = 0

  constructor(options: InputOptions) {
    this.options = options
    this.#checksums = new Checksums(options.partitions)
  }

  /** The next `count` records, or fewer at the end. */
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

  /** The content of the topic's partitions once all records made so far are written. */
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
