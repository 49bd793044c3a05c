import type { Header, LogRecords, TopicPartition } from '../../connect/port.ts'
import { appendPart, varintBytes, writeVarint } from '../../connect/record-format.ts'
import type { WrittenRecords } from '../../connect/written-records.ts'
import { writeNumber } from '../../formats/json/number-text.ts'
import type { OutputEncoder } from '../../formats/json/output-encoder.ts'
import type { ScoredRows } from '../../formats/json/segments.ts'
import { ByteRoom, Constant } from '../../kernel/bytes.ts'
import { aroundOffset } from '../../kernel/ids.ts'
import type { SinkStep } from '../../topology/definition.ts'
import type { PassedHeaders } from './headers.ts'
import { ID_HEADER, type Marks, markedHeaders } from './provenance.ts'

// Outputs encoded as in a record batch. Most are written straight from columns, without creating an
// event, an object or a string.

/** A sink, and how its outputs are written straight from columns. */
interface DirectSink {
  readonly step: SinkStep
  readonly encoder: OutputEncoder
}

/** Bytes of the varint for most value lengths: 64 to 8,191. */
const LENGTH_BYTES = 2
/** The most bytes of the number of headers. */
const COUNT_BYTES = 5
/** The most digits of an offset. */
const OFFSET_BYTES = 16

/** The name of the id header. */
const ID_NAME = new Constant(partsBytes([Buffer.from(ID_HEADER)]))

/** The parts of a sink's records that are the same throughout a chunk. */
interface Frame {
  readonly step: SinkStep
  /** The decision; of late and of degraded outputs decision and marks. */
  readonly cacheKey: number | string
  /** The number of headers, without those that are passed on. */
  readonly count: number
  /** Length of the id without its offset, bytes. */
  readonly idBytes: number
  readonly beforeOffset: Constant
  /** Includes the headers that all outputs share. */
  readonly afterOffset: Constant
}

/** The event that an output comes from, by its index in the chunk. */
export interface OutputOrigin extends Marks {
  readonly index: number
  /** The number of the decision about it; 0 without a model. */
  readonly decision: number
}

/** Parts that the outputs of a chunk share, and where these go. */
export interface DirectOptions {
  readonly source: TopicPartition
  /** Headers that all outputs of the chunk share. */
  readonly headers: readonly Header[]
  /** Headers by number of the decision. */
  readonly decided: readonly (readonly Header[])[]
  /** `null`: none of the records has a header. */
  readonly passed: PassedHeaders | null
  /** Indexed by the event's index in the chunk. */
  readonly records: LogRecords
  readonly into: WrittenRecords
}

/** Writes the outputs of one chunk. */
export class DirectWriter {
  readonly #o: DirectOptions
  /** `null`: no output is written from columns. */
  readonly #rows: ScoredRows | null
  #room = new ByteRoom(0)
  #lengthAt = 0
  readonly #headers: Buffer
  /** By {@link Frame.cacheKey}. */
  readonly #frames = new Map<SinkStep, Map<number | string, Frame>>()
  /** The frame of the last output: most outputs have the same as the one before. */
  #last: Frame | null = null

  constructor(options: DirectOptions, rows: ScoredRows | null) {
    this.#o = options
    this.#rows = rows
    this.#headers = headersBytes(options.headers)
  }

  /** Adds the output of row `i`. */
  write({ step, encoder }: DirectSink, i: number, origin: OutputOrigin): void {
    const start = this.#begin(origin.index)
    encoder(i, this.#rows as ScoredRows, this.#room)
    this.#end(step, start, origin)
  }

  /** Adds an output that is already encoded, or serialised. */
  writeValue(step: SinkStep, value: Uint8Array | string, origin: OutputOrigin): void {
    const start = this.#begin(origin.index)
    if (typeof value === 'string') this.#room.text(value)
    else this.#room.append(value)
    this.#end(step, start, origin)
  }

  /**
   * Writes the key and reserves room for the length of the value. Returns where the record begins.
   */
  #begin(index: number): number {
    const room = this.#o.into.room()
    this.#room = room
    const start = room.used
    this.#o.records.appendKey(index, room)
    this.#lengthAt = room.used
    room.reserve(LENGTH_BYTES)
    room.used += LENGTH_BYTES
    return start
  }

  #end(step: SinkStep, start: number, origin: OutputOrigin): void {
    const { records, into } = this.#o
    this.#putLength(this.#lengthAt)
    this.#putHeaders(this.#frameOf(step, origin), origin.index)
    into.add(step.topic, records.timestampMsAt(origin.index), start)
  }

  /** Writes the length of the last value into the room reserved for it. */
  #putLength(at: number): void {
    const room = this.#room
    const begin = at + LENGTH_BYTES
    const length = room.used - begin
    const shift = varintBytes(length) - LENGTH_BYTES
    if (shift !== 0) {
      room.reserve(Math.max(0, shift))
      room.bytes.copyWithin(begin + shift, begin, room.used)
      room.used += shift
    }
    writeVarint(room.bytes, at, length)
  }

  #putHeaders({ count, idBytes, beforeOffset, afterOffset }: Frame, index: number): void {
    const room = this.#room
    const { records, passed } = this.#o
    const offset = records.offsetAt(index)
    const more = passed === null ? 0 : passed.find(records, index)
    room.reserve(COUNT_BYTES)
    room.used = writeVarint(room.bytes, room.used, count + more)
    room.constant(ID_NAME)
    room.reserve(LENGTH_BYTES)
    room.used = writeVarint(room.bytes, room.used, idBytes + digitsOf(offset))
    room.constant(beforeOffset)
    room.reserve(OFFSET_BYTES)
    room.used = writeNumber(room.bytes, room.used, offset)
    room.constant(afterOffset)
    if (more > 0) passed?.append(room)
  }

  #frameOf(step: SinkStep, origin: OutputOrigin): Frame {
    const { decision, isLate, degraded } = origin
    const last = this.#last
    const cacheKey = isLate || degraded !== null ? `${decision} ${isLate} ${degraded}` : decision
    if (last !== null && step === last.step && cacheKey === last.cacheKey) return last
    const all = this.#frames.get(step) ?? new Map<number | string, Frame>()
    this.#frames.set(step, all)
    const frame = all.get(cacheKey) ?? this.#frame(step, cacheKey, origin)
    all.set(cacheKey, frame)
    this.#last = frame
    return frame
  }

  #frame(step: SinkStep, cacheKey: Frame['cacheKey'], origin: OutputOrigin): Frame {
    const more = markedHeaders(this.#o.decided[origin.decision] ?? [], origin)
    const around = aroundOffset({ ...this.#o.source, sink: step.name })
    const [before, after] = around.map((part) => Buffer.from(part)) as [Buffer, Buffer]
    return {
      step,
      cacheKey,
      // The id is one of them.
      count: 1 + this.#o.headers.length + more.length,
      idBytes: before.length + after.length,
      beforeOffset: new Constant(before),
      afterOffset: new Constant(Buffer.concat([after, this.#headers, headersBytes(more)])),
    }
  }
}

/** The number of decimal digits of an offset. */
function digitsOf(offset: number): number {
  let digits = 1
  for (let power = 10; power <= offset; power *= 10) digits++
  return digits
}

function headersBytes(headers: readonly Header[]): Buffer {
  return partsBytes(headers.flatMap(({ name, value }) => [Buffer.from(name), value]))
}

function partsBytes(parts: readonly Buffer[]): Buffer {
  const room = new ByteRoom(0)
  for (const part of parts) appendPart(part, room)
  return room.bytes.subarray(0, room.used)
}
