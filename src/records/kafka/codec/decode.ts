import { messageOf, TidemarkError } from '../../../kernel/errors.ts'
import { type AbortedTransaction, AbortedTransactions } from './aborted-transactions.ts'
import {
  type BatchHeader,
  CRC_FROM,
  HEADER_BYTES,
  lengthOfBatch,
  readBaseOffset,
  readCrc,
  readHeader,
} from './batch-header.ts'
import { unpack } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { corrupt } from './faults.ts'
import { FetchedRecords } from './fetched-records.ts'
import { RecordColumns, type Section } from './record-columns.ts'
import { NumberReader } from './varint.ts'

// From the bytes of a fetch response to records: first the batches, by their headers, then what is in them.

/** What a compressed batch may unpack to, bytes. Brokers take 1 MiB of compressed records unless told otherwise. */
const DEFAULT_MAX_UNPACKED_BYTES = 64 * 2 ** 20
/** A record of nothing but empty parts, bytes: seven numbers. */
const SMALLEST_RECORD = 7
const EMPTY = Buffer.alloc(0)
/** Type of the marker that ends an aborted transaction. */
const ABORT = 0

export interface DecodeOptions {
  /** `topic-partition`, for errors. */
  readonly partition: string
  /** The offset that was asked for: what its batch holds before it is left out. */
  readonly fromOffset: number
  /** What the response lists for a reader of committed records; for another one, nothing. */
  readonly aborted: readonly AbortedTransaction[]
  /**
   * The most bytes that a compressed batch may unpack to. A set is read no further than the batch with which its unpacked
   * records reach it; the rest must be fetched again. @default 64 MiB
   */
  readonly maxUnpackedBytes?: number
}

/**
 * Reads a record set: whole batches, the last one perhaps cut off. Control records and those of aborted transactions are
 * left out. The records are views into `set`, or into what its compressed batches unpacked to.
 * @throws TidemarkError `BATCH_CORRUPT` · `BATCH_TOO_LARGE`: it unpacks to more than is allowed · `NOT_SUPPORTED`: message
 * format 0 or 1, an unknown compression, an offset above 2^53. `where` is `topic-partition@offset`, the batch's first
 */
export function decodeRecords(set: Buffer, options: DecodeOptions): FetchedRecords {
  const reader = new SetReader(set, options)
  try {
    return reader.read()
  } catch (error) {
    const code = error instanceof TidemarkError ? error.code : 'BATCH_CORRUPT'
    const hint = error instanceof TidemarkError ? error.hint : undefined
    throw new TidemarkError(code, messageOf(error), {
      where: `${options.partition}@${reader.offset}`,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    })
  }
}

/** A batch, and where its records lie. */
interface Batch extends Section {
  readonly header: BatchHeader
  readonly bytes: Buffer
}

class SetReader {
  /** Where reading has come to. */
  offset: number
  readonly #set: Buffer
  readonly #fromOffset: number
  readonly #maxUnpackedBytes: number
  readonly #aborted: AbortedTransactions
  #unpackedBytes = 0

  constructor(set: Buffer, options: DecodeOptions) {
    this.offset = options.fromOffset
    this.#set = set
    this.#fromOffset = options.fromOffset
    this.#maxUnpackedBytes = options.maxUnpackedBytes ?? DEFAULT_MAX_UNPACKED_BYTES
    this.#aborted = new AbortedTransactions(options.aborted)
  }

  read(): FetchedRecords {
    const batches: Batch[] = []
    let nextOffset = this.#fromOffset
    let at = 0
    while (this.#unpackedBytes < this.#maxUnpackedBytes) {
      const to = this.#endOfBatch(at)
      if (to === null) break
      const batch = this.#packed(at, to)
      if (this.#isWanted(batch)) batches.push(this.#unpacked(batch))
      nextOffset = Math.max(nextOffset, batch.header.lastOffset + 1)
      at = to
    }
    // Brokers send the first batch whole. Nothing to be read here would be fetched again without end.
    if (at === 0 && this.#set.length > 0) {
      throw corrupt(`${this.#set.length} bytes hold no whole batch`)
    }
    return new FetchedRecords(this.#columnsOf(batches), nextOffset)
  }

  /** `null`: it is cut off, or there is none. */
  #endOfBatch(at: number): number | null {
    const length = lengthOfBatch(this.#set, at)
    return length === null || at + length > this.#set.length ? null : at + length
  }

  #packed(at: number, to: number): Batch {
    this.offset = readBaseOffset(this.#set, at)
    if (crc32c(this.#set, at + CRC_FROM, to) !== readCrc(this.#set, at)) {
      throw corrupt(`the checksum of a batch of ${to - at} bytes is wrong`)
    }
    return { header: readHeader(this.#set, at), bytes: this.#set, from: at + HEADER_BYTES, to }
  }

  #isWanted(batch: Batch): boolean {
    const { producerId, lastOffset, count, isControl, isTransactional } = batch.header
    this.#aborted.reach(lastOffset)
    if (isControl) {
      if (count > 0 && markerOf(this.#unpacked(batch)) === ABORT) this.#aborted.end(producerId)
      return false
    }
    if (isTransactional && this.#aborted.has(producerId)) return false
    return count > 0 && lastOffset >= this.#fromOffset
  }

  #unpacked(batch: Batch): Batch {
    const { header, bytes, from, to } = batch
    if (header.compression === 0) return checked(batch)
    const unpacked = unpack(header.compression, bytes.subarray(from, to), this.#maxUnpackedBytes)
    this.#unpackedBytes += unpacked.length
    return checked({ header, bytes: unpacked, from: 0, to: unpacked.length })
  }

  #columnsOf(batches: readonly Batch[]): RecordColumns {
    const { bytes, sections } = inOneBuffer(batches)
    const capacity = batches.reduce((sum, { header }) => sum + header.count, 0)
    const columns = new RecordColumns(bytes, capacity, this.#fromOffset)
    for (const [i, { header }] of batches.entries()) {
      this.offset = header.baseOffset
      columns.take(header, sections[i] as Section)
    }
    return columns
  }
}

/** Room is made for as many records as the header says: no more than there are bytes for. */
function checked(batch: Batch): Batch {
  const { header, from, to } = batch
  if (header.count > (to - from) / SMALLEST_RECORD) {
    throw corrupt(`${header.count} records cannot be in ${to - from} bytes`)
  }
  return batch
}

/** What the first record of a control batch is about: its key is a version and a type, 16 bits each. */
function markerOf({ bytes, from, to }: Batch): number {
  const reader = new NumberReader(bytes, from)
  // Length, attributes, timestamp, offset.
  reader.varint()
  reader.at++
  reader.varlong()
  reader.varint()
  const keyBytes = reader.varint()
  if (keyBytes < 4 || reader.at + keyBytes > to) throw corrupt('a control record has no type')
  return bytes.readInt16BE(reader.at + 2)
}

/** Columns point into one buffer. What was not compressed lies in the set as it is; else the batches are put together. */
function inOneBuffer(batches: readonly Batch[]): { bytes: Buffer; sections: readonly Section[] } {
  const [first] = batches
  if (first === undefined) return { bytes: EMPTY, sections: [] }
  if (batches.every(({ bytes }) => bytes === first.bytes)) {
    return { bytes: first.bytes, sections: batches }
  }
  let end = 0
  const sections = batches.map(({ from, to }) => {
    const begin = end
    end += to - from
    return { from: begin, to: end }
  })
  return { bytes: Buffer.concat(batches.map((b) => b.bytes.subarray(b.from, b.to))), sections }
}
