import { ByteRoom } from '../../../kernel/bytes.ts'
import { groupedBy } from '../../../kernel/grouped.ts'

// Primitive types of the Kafka protocol, big-endian. "Flexible" versions (KIP-482) have compact
// strings and arrays, whose lengths are varints one larger than the length itself, and tagged
// fields after every structure.

const FIRST_ROOM_BYTES = 256
const UUID_BYTES = 16
const ZERO_UUID = Buffer.alloc(UUID_BYTES)

export class RequestWriter {
  readonly #isFlexible: boolean
  readonly #room = new ByteRoom(FIRST_ROOM_BYTES)
  /** Record sets, and where they belong between the other bytes. */
  readonly #sets: { readonly at: number; readonly set: Buffer }[] = []

  constructor(isFlexible: boolean) {
    this.#isFlexible = isFlexible
    // The header of a flexible request ends with tagged fields.
    this.endStruct()
  }

  int8(value: number): this {
    this.#room.byte(value)
    return this
  }

  int16(value: number): this {
    const room = this.#room
    room.reserve(2)
    room.used = room.bytes.writeInt16BE(value, room.used)
    return this
  }

  int32(value: number): this {
    const room = this.#room
    room.reserve(4)
    room.used = room.bytes.writeInt32BE(value, room.used)
    return this
  }

  int64(value: number): this {
    const room = this.#room
    room.reserve(8)
    room.used = room.bytes.writeBigInt64BE(BigInt(value), room.used)
    return this
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  string(value: string | null): this {
    if (value === null) return this.#isFlexible ? this.#varint(0) : this.int16(-1)
    const length = Buffer.byteLength(value)
    if (this.#isFlexible) this.#varint(length + 1)
    else this.int16(length)
    this.#room.text(value)
    return this
  }

  /** A UUID in Kafka's notation (base64url); `null`: the zero UUID. */
  uuid(value: string | null): this {
    this.#room.append(value === null ? ZERO_UUID : Buffer.from(value, 'base64url'))
    return this
  }

  array<T>(values: readonly T[], write: (value: T) => void): this {
    this.#length(values.length)
    for (const value of values) write(value)
    return this
  }

  byTopic<T extends { readonly topic: string }>(
    partitions: readonly T[],
    write: (partition: T) => void,
  ): this {
    return this.array(topicsOf(partitions), ([topic, list]) => {
      this.string(topic).array(list, write).endStruct()
    })
  }

  /** A record set, which is not copied. */
  records(set: Buffer): this {
    this.#length(set.length)
    this.#sets.push({ at: this.#room.used, set })
    return this
  }

  endStruct(): this {
    return this.#isFlexible ? this.#varint(0) : this
  }

  pieces(): readonly Buffer[] {
    const { bytes, used } = this.#room
    let from = 0
    const pieces = this.#sets.flatMap(({ at, set }) => {
      const before = bytes.subarray(from, at)
      from = at
      return [before, set]
    })
    return [...pieces, bytes.subarray(from, used)]
  }

  #length(length: number): this {
    return this.#isFlexible ? this.#varint(length + 1) : this.int32(length)
  }

  #varint(value: number): this {
    let left = value
    for (; left > 0x7f; left >>>= 7) this.#room.byte((left & 0x7f) | 0x80)
    return this.int8(left)
  }
}

/** Groups partitions by topic, in the order in which the topics first appear. */
export function topicsOf<T extends { readonly topic: string }>(partitions: readonly T[]) {
  return [...groupedBy(partitions, ({ topic }) => topic)]
}

/** Reads a response. @throws RangeError when it ends too early */
export class ResponseReader {
  readonly #bytes: Buffer
  readonly #isFlexible: boolean
  #at = 0
  /** How long the broker reads nothing more from this connection (KIP-219), ms. */
  throttleMs = 0

  constructor(bytes: Buffer, isFlexible: boolean) {
    this.#bytes = bytes
    this.#isFlexible = isFlexible
  }

  int8(): number {
    return this.#bytes.readInt8(this.#pass(1))
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#pass(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#pass(4))
  }

  throttle(): void {
    this.throttleMs = this.int32()
  }

  /** Rounded beyond 2^53. */
  int64(): number {
    const at = this.#pass(8)
    return this.#bytes.readInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4)
  }

  string(): string | null {
    const length = this.#isFlexible ? this.varint() - 1 : this.int16()
    if (length < 0) return null
    return this.#slice(length).toString('utf8')
  }

  uuid(): string | null {
    const bytes = this.#slice(UUID_BYTES)
    return bytes.every((byte) => byte === 0) ? null : bytes.toString('base64url')
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  array<T>(read: () => T): T[] {
    const length = this.#isFlexible ? this.varint() - 1 : this.int32()
    return Array.from({ length: Math.max(0, length) }, read)
  }

  structs<T>(read: () => T): T[] {
    return this.array(() => {
      const struct = read()
      this.endStruct()
      return struct
    })
  }

  byTopic<T>(read: (topic: string) => T, readTopic = () => this.string() ?? ''): T[] {
    const topics = this.structs(() => {
      const topic = readTopic()
      return this.structs(() => read(topic))
    })
    return topics.flat()
  }

  bytes(): Buffer {
    const length = this.#isFlexible ? this.varint() - 1 : this.int32()
    return this.#slice(Math.max(0, length))
  }

  endStruct(): void {
    if (!this.#isFlexible) return
    for (let left = this.varint(); left > 0; left--) {
      this.varint()
      this.#slice(this.varint())
    }
  }

  tagged(): Map<number, ResponseReader> {
    const fields = new Map<number, ResponseReader>()
    for (let left = this.varint(); left > 0; left--) {
      const tag = this.varint()
      fields.set(tag, new ResponseReader(this.#slice(this.varint()), true))
    }
    return fields
  }

  varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#pass(1))
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return value >>> 0
  }

  #slice(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) {
      throw new RangeError('the response ends too early')
    }
    const from = this.#pass(length)
    return this.#bytes.subarray(from, from + length)
  }

  /** Goes on behind some bytes. @returns where they begin */
  #pass(length: number): number {
    this.#at += length
    return this.#at - length
  }
}
