import { ByteRoom } from '../kernel/byte-room.ts'
import { murmur2, placeOf } from '../kernel/partitioners.ts'
import { HeaderNames } from './header-names.ts'
import type { Header, LogRecord, NewRecord, NewRecords } from './port.ts'
import { readVarint, varintBytes, writeVarint } from './varint.ts'

/** A record to be written, wherever it goes. Unlike the port's, a header's value may be missing. */
export interface OutgoingRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** A whole number of ms since the epoch; −1: none. */
  readonly timestampMs: number
  readonly headers: readonly { readonly name: string; readonly value: Buffer | null }[]
  /** Whose key, value and headers these are. */
  readonly copyOf?: LogRecord
}

/** Of a record that goes where its key says. */
const BY_KEY = -1
/** With less left, records go on elsewhere: a room that grows is copied, and what was written before stays in the old one. */
const ENOUGH = 4_096
const ROOM_BYTES = 2 ** 16
/** Of a record, about. */
const USUAL = 512
/** Bytes of the longest number. */
const NUMBER_BYTES = 5
const WORD = 4
/** Longer parts are copied in one go. */
const LONG = 512

const names = new HeaderNames()

/** Memory that records lie in. */
interface Room {
  readonly bytes: Buffer
  readonly view: DataView
}

/**
 * Records to be written, in order, as columns. Key, value and headers of each are written when it is added, as they will stand in a batch
 * of Kafka's (record format v2: each behind its length): a driver copies them, and to who asks for one it is cut out, each time anew.
 */
export class WrittenRecords implements NewRecords {
  #topics: string[] = []
  #partitions: number[] = []
  #timestampsMs: number[] = []
  #rooms: Room[] = []
  #starts: number[] = []
  #ends: number[] = []
  readonly #expected: number
  #room: ByteRoom | null = null
  #current: Room | null = null

  /** @param expected about so many there will be */
  constructor(expected = 0) {
    this.#expected = expected
  }

  static of(records: NewRecords): WrittenRecords {
    if (records instanceof WrittenRecords) return records
    const written = new WrittenRecords(records.length)
    for (const record of records) written.write(record, record.topic, record.partition)
    return written
  }

  /** All of them, one after the other. A million are copied in one go each column: one by one they would hold up the process. */
  static joined(all: readonly WrittenRecords[]): WrittenRecords {
    const [first] = all
    if (first !== undefined && all.length === 1) return first
    const joined = new WrittenRecords()
    joined.#topics = joined.#topics.concat(...all.map((records) => records.#topics))
    joined.#partitions = joined.#partitions.concat(...all.map((records) => records.#partitions))
    joined.#timestampsMs = joined.#timestampsMs.concat(...all.map((r) => r.#timestampsMs))
    joined.#rooms = joined.#rooms.concat(...all.map((records) => records.#rooms))
    joined.#starts = joined.#starts.concat(...all.map((records) => records.#starts))
    joined.#ends = joined.#ends.concat(...all.map((records) => records.#ends))
    return joined
  }

  get length(): number {
    return this.#starts.length
  }

  *[Symbol.iterator](): Generator<NewRecord, void> {
    for (let i = 0; i < this.length; i++) yield this.at(i)
  }

  at(index: number): NewRecord {
    return new WrittenRecord(this, index)
  }

  topic(index: number): string {
    return this.#topics[index] as string
  }

  timestampMs(index: number): number {
    return this.#timestampsMs[index] as number
  }

  /** `null`: by its key. */
  partition(index: number): number | null {
    const partition = this.#partitions[index] as number
    return partition === BY_KEY ? null : partition
  }

  /** The partition in a topic with that many: its own (taken modulo), else that of its key by murmur2; without a key 0. */
  partitionOf(index: number, partitions: number): number {
    const own = this.#partitions[index] as number
    if (own !== BY_KEY) return own % partitions
    const { bytes } = this.#rooms[index] as Room
    const start = this.#starts[index] as number
    const length = readVarint(bytes, start)
    if (length < 0) return 0
    const begin = start + varintBytes(length)
    return placeOf(murmur2(bytes, begin, begin + length), partitions)
  }

  /** Bytes that key, value and headers take in a batch, lengths included. */
  partsBytes(index: number): number {
    return (this.#ends[index] as number) - (this.#starts[index] as number)
  }

  /** Bytes of the value. */
  valueBytes(index: number): number {
    const { bytes } = this.#rooms[index] as Room
    return Math.max(0, readVarint(bytes, behind(bytes, this.#starts[index] as number)))
  }

  /** Copies key, value and headers as they will stand in a batch. */
  copyParts(index: number, target: DataView, at: number): void {
    const { view, bytes } = this.#rooms[index] as Room
    const end = this.#ends[index] as number
    let from = this.#starts[index] as number
    if (end - from > LONG) {
      const { buffer, byteOffset, byteLength } = target
      new Uint8Array(buffer, byteOffset, byteLength).set(bytes.subarray(from, end), at)
      return
    }
    let into = at
    for (; from <= end - WORD; from += WORD, into += WORD) {
      target.setInt32(into, view.getInt32(from, true), true)
    }
    for (; from < end; from++, into++) target.setUint8(into, view.getUint8(from))
  }

  /** Key, value and headers, as they will stand in a batch. */
  parts(index: number): Buffer {
    const { bytes } = this.#rooms[index] as Room
    return bytes.subarray(this.#starts[index], this.#ends[index])
  }

  /** Room for the parts of a record, which are written there by hand; then it is {@link add added}. @param bytes that they take */
  room(bytes = ENOUGH): ByteRoom {
    if (this.#room === null || this.#room.left < bytes) {
      const usual = this.#room === null ? ENOUGH + this.#expected * USUAL : ROOM_BYTES
      this.#room = new ByteRoom(Math.max(Math.min(usual, ROOM_BYTES), bytes + WORD))
    }
    return this.#room
  }

  /** Adds a record that goes where its key says. @param start where its parts begin in the room, which end where that is used up to */
  add(topic: string, timestampMs: number, start: number): void {
    this.#add({ topic, partition: BY_KEY, timestampMs }, start)
  }

  /** Writes a record and adds it. */
  write(record: OutgoingRecord, topic = '', partition: number | null = null): void {
    const { copyOf, timestampMs } = record
    const isCopied = copyOf?.copyParts !== undefined
    const room = this.room(isCopied ? ENOUGH : partsBytes(record) + NUMBER_BYTES)
    const start = room.used
    if (isCopied) copyOf.copyParts?.(room)
    else appendParts(record, room)
    this.#add({ topic, partition: partition ?? BY_KEY, timestampMs }, start)
  }

  /** Adds one of others. */
  take(from: WrittenRecords, index: number): void {
    this.#topics.push(from.#topics[index] as string)
    this.#partitions.push(from.#partitions[index] as number)
    this.#timestampsMs.push(from.#timestampsMs[index] as number)
    this.#rooms.push(from.#rooms[index] as Room)
    this.#starts.push(from.#starts[index] as number)
    this.#ends.push(from.#ends[index] as number)
  }

  /** Adds those of others from ≤ i < to. */
  takeAll(others: WrittenRecords, from = 0, to = others.length): void {
    for (let i = from; i < to; i++) this.take(others, i)
  }

  /** Takes back what was added beyond so many. */
  cut(length: number): void {
    const columns = [
      this.#topics,
      this.#partitions,
      this.#timestampsMs,
      this.#rooms,
      this.#starts,
      this.#ends,
    ]
    for (const column of columns) column.length = Math.min(column.length, length)
  }

  #add(
    {
      topic,
      partition,
      timestampMs,
    }: { readonly topic: string; readonly partition: number; readonly timestampMs: number },
    start: number,
  ): void {
    const { bytes, view, used } = this.#room as ByteRoom
    // After it has grown it is another memory.
    if (this.#current?.bytes !== bytes) this.#current = { bytes, view }
    this.#topics.push(topic)
    this.#partitions.push(partition)
    this.#timestampsMs.push(timestampMs)
    this.#rooms.push(this.#current)
    this.#starts.push(start)
    this.#ends.push(used)
  }
}

/** One of them, for who wants it as an object. */
class WrittenRecord implements NewRecord {
  readonly #records: WrittenRecords
  readonly #index: number

  constructor(records: WrittenRecords, index: number) {
    this.#records = records
    this.#index = index
  }

  get topic(): string {
    return this.#records.topic(this.#index)
  }

  get partition(): number | null {
    return this.#records.partition(this.#index)
  }

  get timestampMs(): number {
    return this.#records.timestampMs(this.#index)
  }

  get key(): Buffer | null {
    return partAt(this.#parts, 0)
  }

  get value(): Buffer | null {
    const parts = this.#parts
    return partAt(parts, behind(parts, 0))
  }

  get headers(): readonly Header[] {
    const parts = this.#parts
    let at = behind(parts, behind(parts, 0))
    const count = readVarint(parts, at)
    at += varintBytes(count)
    return Array.from({ length: count }, () => {
      const name = String(partAt(parts, at))
      at = behind(parts, at)
      const value = partAt(parts, at) as Buffer
      at = behind(parts, at)
      return { name, value }
    })
  }

  get #parts(): Buffer {
    return this.#records.parts(this.#index)
  }
}

function partAt(bytes: Buffer, at: number): Buffer | null {
  const length = readVarint(bytes, at)
  const begin = at + varintBytes(length)
  return length < 0 ? null : bytes.subarray(begin, begin + length)
}

function behind(bytes: Buffer, at: number): number {
  const length = readVarint(bytes, at)
  return at + varintBytes(length) + Math.max(0, length)
}

function appendParts({ key, value, headers }: OutgoingRecord, room: ByteRoom): void {
  appendPart(key, room)
  appendPart(value, room)
  appendNumber(headers.length, room)
  for (const header of headers) {
    appendPart(names.bytesOf(header.name), room)
    appendPart(header.value, room)
  }
}

/** Appends a key or a value behind its length. */
export function appendPart(part: Buffer | null, room: ByteRoom): void {
  appendNumber(part?.length ?? -1, room)
  if (part !== null) room.append(part)
}

function appendNumber(number: number, room: ByteRoom): void {
  room.reserve(NUMBER_BYTES)
  room.used = writeVarint(room.bytes, room.used, number)
}

/** Bytes that key, value and headers of a record take in a batch, lengths included. */
export function partsBytes({ key, value, headers }: OutgoingRecord): number {
  let bytes = partBytes(key) + partBytes(value) + varintBytes(headers.length)
  for (const header of headers) {
    bytes += partBytes(names.bytesOf(header.name)) + partBytes(header.value)
  }
  return bytes
}

function partBytes(part: Buffer | null): number {
  return part === null ? 1 : varintBytes(part.length) + part.length
}
