import { knownEvent } from '../formats/json/known-event.ts'
import { knownScored } from '../formats/json/known-values.ts'
import { writeNumber } from '../formats/json/number-text.ts'
import { compileEncoder, type OutputEncoder } from '../formats/json/output-encoder.ts'
import type { ScoredRows } from '../formats/json/scored-rows.ts'
import { ByteRoom, Constant } from '../kernel/byte-room.ts'
import { aroundOffset } from '../kernel/ids.ts'
import type { ColumnForm } from '../plan/columns.ts'
import type { Header, LogRecords, TopicPartition } from '../records/port.ts'
import { varintBytes, writeVarint } from '../records/varint.ts'
import type { WrittenRecords } from '../records/written-records.ts'
import type { ScoreStep, SinkStep } from '../topology/definition.ts'
import { readFunction } from '../topology/function-reading.ts'
import { ID_HEADER, LATE_HEADER } from './provenance.ts'

// Outputs that are written straight from columns, as they will stand in a batch: no event, no object and no text is made of them.

/** A sink whose outputs can be written so. */
export interface DirectSink {
  readonly step: SinkStep
  readonly encoder: OutputEncoder
}

/**
 * The sinks behind a model, in the order of the topology; `null`: not all of them can be written so, since something behind the model
 * must be called with each event.
 * @param label who scores, as outputs carry it
 */
export function directSinks(
  { model, then }: ScoreStep,
  { forms, label }: { readonly forms: readonly ColumnForm[]; readonly label: string },
): readonly DirectSink[] | null {
  const scored = knownScored(knownEvent(forms), model, label)
  const sinks = then.map((step) => {
    const [sink, ...more] = step.op === 'map' ? step.then : []
    if (step.op !== 'map' || sink?.op !== 'sink' || sink.key !== null || more.length > 0)
      return null
    const reading = readFunction(step.to)
    if ('why' in reading) return null
    const { encoder } = compileEncoder(reading.expression, scored)
    return encoder === null ? null : { step: sink, encoder }
  })
  return sinks.every((sink) => sink !== null) ? sinks : null
}

/** Bytes of most lengths of a value: 64 to 8,191. */
const LENGTH_BYTES = 2
/** Digits of an offset. */
const OFFSET_BYTES = 16

/** What of a sink's records is the same throughout a chunk. */
interface Frame {
  /** How many headers there are, and the id's name. */
  readonly head: Constant
  /** With one header more. */
  readonly lateHead: Constant
  readonly beforeOffset: Constant
  readonly afterOffset: Constant
}

/** Scored events, and where their outputs go. */
interface DirectOptions {
  readonly source: TopicPartition
  /** Those that all outputs of the chunk share. */
  readonly headers: readonly Header[]
  /** By the event's index in the chunk. */
  readonly records: LogRecords
  readonly rows: ScoredRows
  readonly into: WrittenRecords
}

/** Writes the outputs of one chunk. */
export class DirectWriter {
  readonly #o: DirectOptions
  #room = new ByteRoom(0)
  readonly #headers: Constant
  readonly #late: Constant
  readonly #count: number
  readonly #frames = new Map<SinkStep, Frame>()

  constructor(options: DirectOptions) {
    const { headers } = options
    this.#o = options
    this.#count = headers.length + 1
    this.#headers = new Constant(Buffer.concat(headers.map(headerBytes)))
    this.#late = new Constant(headerBytes(LATE_HEADER))
  }

  /** Adds the output of row `i`. @param isLate was its event behind the watermark? */
  write({ step, encoder }: DirectSink, i: number, isLate: boolean): void {
    const { records, rows, into } = this.#o
    const index = rows.indices[i] as number
    const room = into.room()
    this.#room = room
    const start = room.used
    records.appendKey(index, room)
    const lengthAt = room.used
    room.reserve(LENGTH_BYTES)
    room.used += LENGTH_BYTES
    encoder.append(i, rows, room)
    this.#putLength(lengthAt)
    this.#putHeaders(this.#frameOf(step), records.offsetAt(index), isLate)
    into.add(step.topic, records.timestampMsAt(index), start)
  }

  /** Of the value that was written last, for whose length there is room at a place. */
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

  #putHeaders(frame: Frame, offset: number, isLate: boolean): void {
    const room = this.#room
    room.constant(isLate ? frame.lateHead : frame.head)
    const around = frame.beforeOffset.length + frame.afterOffset.length
    room.reserve(LENGTH_BYTES + around + OFFSET_BYTES)
    // The id's length is not known before its digits are.
    const lengthAt = room.used
    room.used += LENGTH_BYTES
    room.constant(frame.beforeOffset)
    room.used = writeNumber(room.bytes, room.used, offset)
    room.constant(frame.afterOffset)
    this.#putLength(lengthAt)
    room.constant(this.#headers)
    if (isLate) room.constant(this.#late)
  }

  #frameOf(step: SinkStep): Frame {
    const known = this.#frames.get(step)
    if (known !== undefined) return known
    const [before, after] = aroundOffset({ ...this.#o.source, sink: step.name })
    const name = partBytes(Buffer.from(ID_HEADER))
    const frame = {
      head: new Constant(Buffer.concat([numberBytes(this.#count), name])),
      lateHead: new Constant(Buffer.concat([numberBytes(this.#count + 1), name])),
      beforeOffset: new Constant(before),
      afterOffset: new Constant(after),
    }
    this.#frames.set(step, frame)
    return frame
  }
}

function headerBytes({ name, value }: Header): Buffer {
  return Buffer.concat([partBytes(Buffer.from(name)), partBytes(value)])
}

function partBytes(part: Buffer): Buffer {
  return Buffer.concat([numberBytes(part.length), part])
}

function numberBytes(number: number): Buffer {
  const bytes = Buffer.alloc(varintBytes(number))
  writeVarint(bytes, 0, number)
  return bytes
}
