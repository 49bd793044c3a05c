import { crc32 } from 'node:zlib'

// Whether a copy holds what its input holds: two small numbers a partition instead of all records.

/** What a partition holds. */
export interface Content {
  readonly records: number
  /** Over keys and values, in order. */
  readonly checksum: number
}

interface Part {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** Contents of a topic's partitions, taken record by record. */
export class Checksums {
  readonly #contents: { records: number; checksum: number }[]
  /** Lengths are summed as well, else a byte could move from the key into the value. */
  readonly #lengths = Buffer.alloc(8)

  constructor(partitions: number) {
    this.#contents = Array.from({ length: partitions }, () => ({ records: 0, checksum: 0 }))
  }

  add(partition: number, { key, value }: Part): void {
    const content = this.#contents[partition]
    if (content === undefined) throw new Error(`there is no partition ${partition}`)
    this.#lengths.writeInt32BE(key?.length ?? -1, 0)
    this.#lengths.writeInt32BE(value?.length ?? -1, 4)
    let { checksum } = content
    checksum = crc32(this.#lengths, checksum)
    if (key !== null) checksum = crc32(key, checksum)
    if (value !== null) checksum = crc32(value, checksum)
    content.checksum = checksum
    content.records++
  }

  get contents(): readonly Content[] {
    return this.#contents
  }
}

/** What is wrong with a copy, a line for each partition; empty: nothing. */
export function differences(input: readonly Content[], copy: readonly Content[]): string[] {
  return input.flatMap(({ records, checksum }, partition) => {
    const copied = copy[partition] ?? { records: 0, checksum: 0 }
    if (copied.records !== records) {
      return [`partition ${partition} has ${copied.records} records instead of ${records}`]
    }
    return copied.checksum === checksum ? [] : [`partition ${partition} has other content`]
  })
}
