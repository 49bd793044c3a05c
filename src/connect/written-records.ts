import { ByteRoom, type Memory } from '../kernel/bytes.ts'
import { murmur2, placeOf } from '../kernel/kafka.ts'
import type { Header, NewRecord, NewRecords } from './port.ts'
import {
  appendParts,
  NumberReader,
  type OutgoingRecord,
  partsBytes,
  readVarint,
  VARINT_BYTES,
  varintBytes,
} from './record-format.ts'

/** The partition of a record that is partitioned by its key. */
const BY_KEY = -1
/** A room with fewer bytes left is replaced, because a room that grows is copied. */
const ENOUGH = 4_096
const USUAL = 512
const WORD = 4

type Room = Pick<Memory, 'buffer' | 'view'>

/** Index of topic and room, partition, and where the parts begin and end in the room. */
const NUMBERS = 5
const TOPIC = 0
const ROOM = 1
const PARTITION = 2
const START = 3
const END = 4
const FIRST_CAPACITY = 4

/**
 * Records to be written, in order, stored as columns. Each record is encoded when it is added, in
 * the form of a Kafka batch, so that a driver only copies it. A record object is created on each
 * access.
 * The columns are typed arrays, because very many records may wait for their commit: no array grows
 * with each record, and the garbage collector never moves their contents.
 */
export class WrittenRecords implements NewRecords {
  #length = 0
  #numbers: Int32Array
  #timestampsMs: Float64Array
  #topics: string[] = []
  #rooms: Room[] = []
  readonly #expected: number
  #room: ByteRoom | null = null
  /** Rooms that hold only records of this object. */
  #ownedRooms: ByteRoom[] = []

  /** @param expected about how many records will be added */
  constructor(expected = 0) {
    this.#expected = expected
    this.#numbers = new Int32Array(expected * NUMBERS)
    this.#timestampsMs = new Float64Array(expected)
  }

  static of(records: NewRecords): WrittenRecords {
    if (records instanceof WrittenRecords) return records
    const written = new WrittenRecords(records.length)
    for (const record of records) written.write(record, record.topic, record.partition)
    return written
  }

  static joined(all: readonly WrittenRecords[]): WrittenRecords {
    const [first] = all
    if (first !== undefined && all.length === 1) return first
    const joined = new WrittenRecords(all.reduce((sum, { length }) => sum + length, 0))
    for (const records of all) joined.addAll(records)
    return joined
  }

  get length(): number {
    return this.#length
  }

  *[Symbol.iterator](): Generator<NewRecord, void> {
    for (let i = 0; i < this.length; i++) yield this.at(i)
  }

  at(index: number): NewRecord {
    const reader = new NumberReader(this.parts(index), 0)
    const [key, value] = [reader.part(), reader.part()]
    const headers = reader.headers() as readonly Header[]
    const [topic, partition] = [this.topic(index), this.partition(index)]
    return { topic, partition, timestampMs: this.timestampMs(index), key, value, headers }
  }

  topic(index: number): string {
    return this.#topics[this.#number(index, TOPIC)] as string
  }

  timestampMs(index: number): number {
    return this.#timestampsMs[index] as number
  }

  /** `null`: the record is partitioned by its key. */
  partition(index: number): number | null {
    const partition = this.#number(index, PARTITION)
    return partition === BY_KEY ? null : partition
  }

  /** The record's own partition, or else by its key's murmur2; 0 without a key. */
  partitionOf(index: number, partitions: number): number {
    const partition = this.#number(index, PARTITION)
    if (partition !== BY_KEY) return partition % partitions
    const { buffer } = this.#roomOf(index)
    const start = this.#number(index, START)
    const length = readVarint(buffer, start)
    if (length < 0) return 0
    const begin = start + varintBytes(length)
    return placeOf(murmur2(buffer, begin, begin + length), partitions)
  }

  partsBytes(index: number): number {
    return this.#number(index, END) - this.#number(index, START)
  }

  valueBytes(index: number): number {
    const { buffer } = this.#roomOf(index)
    const start = this.#number(index, START)
    const keyBytes = readVarint(buffer, start)
    return Math.max(0, readVarint(buffer, start + varintBytes(keyBytes) + Math.max(0, keyBytes)))
  }

  /** Appends key, value and headers to `room`, in the form of a batch. */
  appendTo(room: ByteRoom, index: number): void {
    room.copy(this.#roomOf(index), this.#number(index, START), this.#number(index, END))
  }

  parts(index: number): Buffer {
    const { buffer } = this.#roomOf(index)
    return buffer.subarray(this.#number(index, START), this.#number(index, END))
  }

  /** Returns a room for the parts of a record, which {@link add} then adds. */
  room(bytes = ENOUGH): ByteRoom {
    if (this.#room === null || this.#room.left < bytes) {
      const usual = this.#room === null ? ENOUGH + this.#expected * USUAL : ROOM_BYTES
      this.#room = roomOf(Math.max(Math.min(usual, ROOM_BYTES), bytes + WORD))
      this.#ownedRooms.push(this.#room)
    }
    return this.#room
  }

  free(): void {
    for (const room of this.#ownedRooms) giveBack(room)
    this.#ownedRooms = []
    this.#room = null
    this.#rooms = []
    this.#length = 0
  }

  /** Adds a record by key. @param start of its parts in the room; they end at the room's `used` */
  add(topic: string, timestampMs: number, start: number): void {
    const { bytes, view, used } = this.#room as ByteRoom
    // A room that has grown has other memory.
    if (this.#rooms.at(-1)?.buffer !== bytes) this.#rooms.push({ buffer: bytes, view })
    const at = this.#begin(topic, timestampMs)
    this.#numbers[at + ROOM] = this.#rooms.length - 1
    this.#numbers[at + PARTITION] = BY_KEY
    this.#numbers[at + START] = start
    this.#numbers[at + END] = used
  }

  write(record: OutgoingRecord, topic = '', partition: number | null = null): void {
    const room = this.room(partsBytes(record) + VARINT_BYTES)
    const start = room.used
    appendParts(record, room)
    this.add(topic, record.timestampMs, start)
    if (partition !== null) this.#numbers[(this.#length - 1) * NUMBERS + PARTITION] = partition
  }

  addFrom(from: WrittenRecords, index: number): void {
    this.addAll(from, index, index + 1)
  }

  addAll(others: WrittenRecords, from = 0, to = others.length): void {
    // Most records lie in the same room as the one before.
    let [last, room] = [-1, this.#rooms.length - 1]
    for (let i = from; i < to; i++) {
      const row = i * NUMBERS
      const otherRoom = others.#numbers[row + ROOM] as number
      if (otherRoom !== last) {
        last = otherRoom
        room = this.#roomNumber(others.#rooms[otherRoom] as Room)
      }
      const at = this.#begin(others.topic(i), others.timestampMs(i))
      this.#numbers[at + ROOM] = room
      this.#numbers[at + PARTITION] = others.#numbers[row + PARTITION] as number
      this.#numbers[at + START] = others.#numbers[row + START] as number
      this.#numbers[at + END] = others.#numbers[row + END] as number
    }
  }

  cut(length: number): void {
    this.#length = Math.min(this.#length, length)
  }

  /** Adds a row and returns the index of its first number. */
  #begin(topic: string, timestampMs: number): number {
    if (this.#length === this.#timestampsMs.length) {
      const capacity = Math.max(FIRST_CAPACITY, this.#length * 2)
      const numbers = new Int32Array(capacity * NUMBERS)
      numbers.set(this.#numbers)
      this.#numbers = numbers
      const timestampsMs = new Float64Array(capacity)
      timestampsMs.set(this.#timestampsMs)
      this.#timestampsMs = timestampsMs
    }
    const at = this.#length * NUMBERS
    this.#numbers[at + TOPIC] = this.#topicNumber(topic)
    this.#timestampsMs[this.#length++] = timestampMs
    return at
  }

  #number(index: number, which: number): number {
    return this.#numbers[index * NUMBERS + which] as number
  }

  #roomOf(index: number): Room {
    return this.#rooms[this.#number(index, ROOM)] as Room
  }

  #topicNumber(topic: string): number {
    // Most records have the same topic as the one before.
    const last = this.#topics.length - 1
    if (this.#topics[last] === topic) return last
    const number = this.#topics.indexOf(topic)
    return number < 0 ? this.#topics.push(topic) - 1 : number
  }

  #roomNumber(room: Room): number {
    const last = this.#rooms.length - 1
    return this.#rooms[last] === room ? last : this.#rooms.push(room) - 1
  }
}

// A pool of rooms for outputs. Outputs that wait for a commit live just long enough to reach the
// old generation; without the pool, the garbage collector would mark the whole heap for every 64 MB
// of them.

const ROOM_BYTES = 2 ** 16
const MOST_SPARE = 256
const spare: ByteRoom[] = []

function roomOf(bytes: number): ByteRoom {
  return (bytes === ROOM_BYTES ? spare.pop() : undefined) ?? new ByteRoom(bytes)
}

/** Returns a room to the pool. The caller must not use it afterwards. */
function giveBack(room: ByteRoom): void {
  room.clear()
  // A room that has grown has another size.
  if (room.bytes.length === ROOM_BYTES && spare.length < MOST_SPARE) spare.push(room)
}
