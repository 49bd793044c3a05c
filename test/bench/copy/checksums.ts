import { crc32 } from 'node:zlib'

// Compares a copy with its input by two numbers a partition, instead of all records.

/** The content of a partition. */
export interface Content {
  readonly records: number
  /** Over keys and values, in order. */
  readonly checksum: number
}

interface KeyAndValue {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** Computes the contents of a topic's partitions, record by record. */
export class Checksums {
  readonly #contents: { records: number; checksum: number }[]
  /** Lengths are included, so that a byte that moves from the key to the value is noticed. */
  readonly #lengths = Buffer.alloc(8)

  constructor(partitions: number) {
    this.#contents = Array.from({ length: partitions }, () => ({ records: 0, checksum: 0 }))
  }

  add(partition: number, { key, value }: KeyAndValue): void {
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

/** How a copy differs from its input, a line for each partition; empty if it does not. */
export function differences(input: readonly Content[], copy: readonly Content[]): string[] {
  return input.flatMap(({ records, checksum }, partition) => {
    const copied = copy[partition] ?? { records: 0, checksum: 0 }
    if (copied.records !== records) {
      return [`partition ${partition} has ${copied.records} records instead of ${records}`]
    }
    return copied.checksum === checksum ? [] : [`partition ${partition} has other content`]
  })
}
