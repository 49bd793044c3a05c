import type { ByteRoom } from '../kernel/bytes.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { RecordParts } from './port.ts'

// The form of a record in a batch (record format v2): numbers of variable length, zigzag, seven
// bits per byte, lowest bits first, and the parts of a record. Kafka calls 32-bit numbers varint
// and 64-bit ones varlong.

export function readVarint(bytes: Buffer, at: number): number {
  let bits = 0
  let next = at
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[next++] as number
    bits |= (byte & 127) << shift
    if (byte < 128) return (bits >>> 1) ^ -(bits & 1)
  }
}

export function varintBytes(value: number): number {
  const bits = ((value << 1) ^ (value >> 31)) >>> 0
  if (bits < 1 << 7) return 1
  if (bits < 1 << 14) return 2
  if (bits < 1 << 21) return 3
  return bits < 1 << 28 ? 4 : 5
}

/** Returns the position after the number. */
export function writeVarint(bytes: Buffer, at: number, value: number): number {
  let bits = ((value << 1) ^ (value >> 31)) >>> 0
  let next = at
  for (; bits > 127; bits >>>= 7) bytes[next++] = bits | 128
  bytes[next++] = bits
  return next
}

const NO_HEADERS: readonly OutgoingHeader[] = []

/** Reads zeros past the end: the caller must compare `at` with the end. */
export class NumberReader {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes
    this.at = at
  }

  /** @throws TidemarkError `BATCH_CORRUPT`: the number does not end after five bytes */
  varint(): number {
    const { bytes } = this
    let { at } = this
    let byte = bytes[at++] as number
    let bits = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      if (shift === 35) throw endless()
      byte = bytes[at++] as number
      bits |= (byte & 127) << shift
    }
    this.at = at
    return (bits >>> 1) ^ -(bits & 1)
  }

  /** A bigint beyond 28 bits. @throws TidemarkError `BATCH_CORRUPT`: more than ten bytes */
  varlong(): number | bigint {
    const { bytes } = this
    let { at } = this
    let byte = bytes[at++] as number
    let bits = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      if (shift === 28) return this.#wide()
      byte = bytes[at++] as number
      bits |= (byte & 127) << shift
    }
    this.at = at
    return (bits >>> 1) ^ -(bits & 1)
  }

  part(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  headers(): readonly OutgoingHeader[] {
    const count = this.varint()
    if (count === 0) return NO_HEADERS
    return Array.from({ length: count }, () => {
      const length = this.varint()
      this.at += length
      const name = this.bytes.toString('utf8', this.at - length, this.at)
      return { name, value: this.part() }
    })
  }

  #wide(): bigint {
    let byte = 128
    let bits = 0n
    for (let shift = 0n; byte > 127; shift += 7n) {
      if (shift === 70n) throw endless()
      byte = this.bytes[this.at++] ?? 0
      bits |= BigInt(byte & 127) << shift
    }
    const unsigned = BigInt.asUintN(64, bits)
    return BigInt.asIntN(64, (unsigned >> 1n) ^ -(unsigned & 1n))
  }
}

export function varlongBytes(value: number): number {
  if (value === (value | 0)) return varintBytes(value)
  let bytes = 1
  for (let bits = zigzag(value); bits > 127n; bits >>= 7n) bytes++
  return bytes
}

/** Writes a whole number up to ±2^53 and returns the position after it. */
export function writeVarlong(bytes: Buffer, at: number, value: number): number {
  if (value === (value | 0)) return writeVarint(bytes, at, value)
  let next = at
  let bits = zigzag(value)
  for (; bits > 127n; bits >>= 7n) bytes[next++] = Number(bits & 127n) | 128
  bytes[next++] = Number(bits)
  return next
}

function zigzag(value: number): bigint {
  const wide = BigInt(value)
  return BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
}

function endless(): TidemarkError {
  return new TidemarkError('BATCH_CORRUPT', 'a number of variable length does not end')
}

/** A record without its topic and partition. Unlike in the port, a header value may be `null`. */
export interface OutgoingRecord extends Omit<RecordParts, 'headers'> {
  readonly headers: readonly OutgoingHeader[]
}

export interface OutgoingHeader {
  readonly name: string
  readonly value: Buffer | null
}

export const VARINT_BYTES = 5
/** Outputs have fewer names; dead letters bring the names of their source records. */
const MOST_NAMES = 256
/** UTF-8 bytes of header names: most names repeat with every record. */
const names = new Map<string, Buffer>()

function bytesOfName(name: string): Buffer {
  const encoded = names.get(name)
  if (encoded !== undefined) return encoded
  if (names.size === MOST_NAMES) names.clear()
  const bytes = Buffer.from(name)
  names.set(name, bytes)
  return bytes
}

export function appendParts({ key, value, headers }: OutgoingRecord, room: ByteRoom): void {
  appendPart(key, room)
  appendPart(value, room)
  appendHeaders(headers, room)
}

/** Appends the number of headers and the headers, as in a batch. */
export function appendHeaders(headers: readonly OutgoingHeader[], room: ByteRoom): void {
  appendNumber(headers.length, room)
  for (const header of headers) {
    appendPart(bytesOfName(header.name), room)
    appendPart(header.value, room)
  }
}

/** Appends a key, a value or a name, as in a batch. */
export function appendPart(part: Buffer | null, room: ByteRoom): void {
  appendNumber(part?.length ?? -1, room)
  if (part !== null) room.append(part)
}

function appendNumber(number: number, room: ByteRoom): void {
  room.reserve(VARINT_BYTES)
  room.used = writeVarint(room.bytes, room.used, number)
}

/** Bytes of key, value and headers in a batch, lengths included. */
export function partsBytes({ key, value, headers }: OutgoingRecord): number {
  let bytes = partBytes(key) + partBytes(value) + varintBytes(headers.length)
  for (const header of headers) {
    bytes += partBytes(bytesOfName(header.name)) + partBytes(header.value)
  }
  return bytes
}

function partBytes(part: Buffer | null): number {
  return part === null ? 1 : varintBytes(part.length) + part.length
}
