import { Memory } from '../../../kernel/bytes.ts'
import { type LogColumns, SPAN, skipPart } from '../../log-records.ts'
import { NumberReader } from '../../record-format.ts'
import { type BatchHeader, corrupt } from './batch-header.ts'

/** How much is decoded in one go, at most, but always at least one record. */
export interface Most {
  readonly records: number
  readonly bytes: number
}

/** A batch that is being decoded. */
export interface OpenBatch {
  readonly header: BatchHeader
  readonly bytes: Buffer
  at: number
  readonly to: number
  left: number
  lastOffset: number
}

export class RecordColumns implements LogColumns {
  readonly bytes: Buffer
  readonly memory: Memory
  readonly offsets: Float64Array
  readonly timestampsMs: Float64Array
  readonly spans: Int32Array
  readonly #fromOffset: number
  length = 0
  hasHeaders = false

  constructor(bytes: Buffer, capacity: number, fromOffset: number) {
    this.bytes = bytes
    this.memory = new Memory(bytes.buffer)
    this.offsets = new Float64Array(capacity)
    this.timestampsMs = new Float64Array(capacity)
    this.spans = new Int32Array(capacity * SPAN.row)
    this.#fromOffset = fromOffset
  }

  /**
   * Checks every number, so that later reads cannot fail.
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
      // Attributes, which are unused so far.
      reader.at++
      timestampsMs[row] = timestampOf(header, reader.varlong())
      const offset = header.baseOffset + reader.varint()
      if (offset <= lastOffset || offset > header.lastOffset) {
        throw corrupt(`offset ${offset} after ${lastOffset}, in a batch up to ${header.lastOffset}`)
      }
      offsets[row] = offset
      spans[row * SPAN.row + SPAN.parts] = reader.at
      spans[row * SPAN.row + SPAN.parts + 1] = end
      skipPart(reader, spans, row * SPAN.row + SPAN.key)
      skipPart(reader, spans, row * SPAN.row + SPAN.value)
      headers |= skipHeaders(reader)
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

/** 64 bits, rounded afterwards: some producers write the largest possible timestamp. */
function timestampOf(batch: BatchHeader, delta: number | bigint): number {
  if (batch.logAppendTimeMs !== null) return batch.logAppendTimeMs
  if (typeof delta === 'number' && Number.isSafeInteger(batch.baseTimestampMs)) {
    return batch.baseTimestampMs + delta
  }
  return Number(BigInt.asIntN(64, batch.baseTimestamp + BigInt(delta)))
}

function skipHeaders(reader: NumberReader): number {
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
