import type { BatchHeader } from './batch-header.ts'
import { corrupt } from './faults.ts'
import { NumberReader } from './varint.ts'

/**
 * Indices within a row of `spans`. `key` and `value`: where the part begins, followed by its
 * length, −1 for `null`. `parts`: where all parts begin, from the key's length to the last header,
 * followed by where they end.
 */
export const SPAN = { key: 0, value: 2, parts: 4, row: 6 } as const

/** How much of a batch is decoded in one go, at most; but always at least one record. */
export interface Most {
  readonly records: number
  readonly bytes: number
}

/** Where the records of a batch lie. */
export interface Section {
  readonly bytes: Buffer
  readonly from: number
  readonly to: number
}

/** A batch whose records are being decoded, and how far that has come. */
export class OpenBatch {
  readonly header: BatchHeader
  readonly bytes: Buffer
  /** Position of the next record in the bytes. */
  at: number
  readonly to: number
  /** Number of records still to be decoded. */
  left: number
  /** Offset of the previous record. */
  lastOffset: number

  constructor(header: BatchHeader, { bytes, from, to }: Section) {
    this.header = header
    this.bytes = bytes
    this.at = from
    this.to = to
    this.left = header.count
    this.lastOffset = header.baseOffset - 1
  }
}

/** Records as columns, filled batch by batch. */
export class RecordColumns {
  readonly bytes: Buffer
  readonly offsets: Float64Array
  readonly timestampsMs: Float64Array
  readonly spans: Int32Array
  readonly #fromOffset: number
  length = 0
  /** Whether a record has a header. */
  hasHeaders = false

  /**
   * @param capacity the most records that will come
   * @param fromOffset records below it are left out
   */
  constructor(bytes: Buffer, capacity: number, fromOffset: number) {
    this.bytes = bytes
    this.offsets = new Float64Array(capacity)
    this.timestampsMs = new Float64Array(capacity)
    this.spans = new Int32Array(capacity * SPAN.row)
    this.#fromOffset = fromOffset
  }

  /**
   * Decodes the next records of a batch. Every number in them is checked here, so that later reads
   * cannot fail.
   * @param shift how far the batch's bytes are shifted within the bytes of the columns
   * @throws TidemarkError `BATCH_CORRUPT`
   */
  decode(batch: OpenBatch, shift: number, most: Most): void {
    const { offsets, timestampsMs, spans } = this
    const { header } = batch
    const reader = new NumberReader(this.bytes, batch.at + shift)
    const full = reader.at + most.bytes
    const least = Math.max(0, batch.left - most.records)
    let { left, lastOffset } = batch
    let headers = 0
    let row = this.length
    for (; left > least && reader.at < full; left--) {
      const length = reader.varint()
      const end = reader.at + length
      // The attributes byte, which is unused so far.
      reader.at++
      timestampsMs[row] = timestampOf(header, reader.varlong())
      const offset = header.baseOffset + reader.varint()
      if (offset <= lastOffset || offset > header.lastOffset) {
        throw corrupt(`offset ${offset} after ${lastOffset}, in a batch up to ${header.lastOffset}`)
      }
      offsets[row] = offset
      spans[row * SPAN.row + SPAN.parts] = reader.at
      spans[row * SPAN.row + SPAN.parts + 1] = end
      passPart(reader, spans, row * SPAN.row + SPAN.key)
      passPart(reader, spans, row * SPAN.row + SPAN.value)
      headers |= passHeaders(reader)
      if (reader.at !== end) throw corrupt(`the record at ${offset} is not as long as it says`)
      if (offset >= this.#fromOffset) row++
      lastOffset = offset
    }
    batch.at = reader.at - shift
    batch.left = left
    batch.lastOffset = lastOffset
    this.length = row
    if (headers !== 0) this.hasHeaders = true
    if (left === 0 && batch.at !== batch.to) {
      throw corrupt('the batch is not as long as its records')
    }
  }
}

/** Notes where a key or a value lies, and skips it. */
function passPart(reader: NumberReader, spans: Int32Array, span: number): void {
  const length = reader.varint()
  spans[span] = reader.at
  spans[span + 1] = length
  if (length > 0) reader.at += length
}

/**
 * Computed in 64 bits and rounded afterwards: some producers write the largest possible timestamp.
 */
function timestampOf(batch: BatchHeader, delta: number | bigint): number {
  if (batch.logAppendTimeMs !== null) return batch.logAppendTimeMs
  if (typeof delta === 'number' && Number.isSafeInteger(batch.baseTimestampMs)) {
    return batch.baseTimestampMs + delta
  }
  return Number(BigInt.asIntN(64, batch.baseTimestamp + BigInt(delta)))
}

/** Skips a record's headers, and returns their number. */
function passHeaders(reader: NumberReader): number {
  const count = reader.varint()
  if (count < 0) throw corrupt(`a record has ${count} headers`)
  for (let left = count; left > 0; left--) {
    if (reader.at >= reader.bytes.length) throw corrupt('a record has fewer headers than it says')
    const nameLength = reader.varint()
    if (nameLength < 0) throw corrupt('a header has no name')
    reader.at += nameLength
    const valueLength = reader.varint()
    if (valueLength > 0) reader.at += valueLength
  }
  return count
}
