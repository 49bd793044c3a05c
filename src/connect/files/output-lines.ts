import { type ByteRoom, Memory, Place } from '../../kernel/bytes.ts'
import { NumberReader } from '../record-format.ts'
import type { WrittenRecords } from '../written-records.ts'

// An output as a line of JSON: its value, with Tidemark's headers as further fields. Bytes are
// copied as they are, and headers are read once for all outputs that share them.

const PREFIX = 'tidemark-'
const ID_NAME = 'tidemark-id'
const ID = Buffer.from(ID_NAME)
const QUOTE = 0x22
const BACKSLASH = 0x5c
const SLASH = 0x2f
const SPACE = 0x20
const WIDE = 0x80
const OPEN = 0x7b
const ZERO = 0x30
const AS_VALUE = Buffer.from('{"value":')
const EMPTY = '{}'.length
const END = Buffer.from('}\n')
const BEFORE_ID = Buffer.from(`,"${ID_NAME}":"`)

/** A line that is written as it is. */
export interface OutputLine {
  readonly partition: number
  readonly [field: string]: unknown
}

/** Reads outputs one after the other. */
export class OutputReader {
  /** Where the value of the output lies. */
  readonly value = new Place()
  /** Where its id lies; empty: it has none. */
  readonly #id = new Place()
  /** The headers behind the id, as in a batch, and their fields at the end of a line. */
  #headers: Buffer = Buffer.alloc(0)
  #marks: Buffer = Buffer.alloc(0)
  /** Names of all headers that outputs had. */
  readonly names = new Set<string>()

  read(records: WrittenRecords, index: number): void {
    const parts = records.parts(index)
    const { value } = this
    if (value.memory.bytes.buffer !== parts.buffer) value.memory = new Memory(parts.buffer)
    const { buffer } = value.memory
    const reader = new NumberReader(buffer, parts.byteOffset)
    const keyBytes = reader.varint()
    reader.at += Math.max(0, keyBytes)
    const valueBytes = reader.varint()
    value.from = reader.at
    value.to = value.from + Math.max(0, valueBytes)
    reader.at = value.to
    const count = reader.varint()
    const hasId = count > 0 && this.#readId(reader)
    const headers = buffer.subarray(reader.at, parts.byteOffset + parts.length)
    if (!headers.equals(this.#headers)) {
      this.#headers = Buffer.from(headers)
      this.#marks = this.#marksOf(reader, hasId ? count - 1 : count)
    }
  }

  /** The partition in its id, `topic/partition/…`. */
  get partition(): number {
    const { bytes } = this.value.memory
    let at = this.#id.from
    while (bytes[at] !== SLASH) at++
    let partition = 0
    for (at++; bytes[at] !== SLASH; at++) partition = partition * 10 + (bytes[at] as number) - ZERO
    return partition
  }

  append(room: ByteRoom): void {
    const { memory, from, to } = this.value
    const { bytes, buffer } = memory
    const isObject = bytes[from] === OPEN
    if (!isObject) room.append(AS_VALUE)
    room.copy(memory, from, isObject ? to - 1 : to)
    let isFirst = isObject && to - from === EMPTY
    const id = this.#id
    if (id.from < id.to) {
      room.append(isFirst ? BEFORE_ID.subarray(1) : BEFORE_ID)
      isFirst = false
      if (isPlain(bytes, id.from, id.to)) room.copy(memory, id.from, id.to)
      else room.text(JSON.stringify(buffer.toString('utf8', id.from, id.to)).slice(1, -1))
      room.byte(QUOTE)
    }
    room.append(isFirst ? this.#marks.subarray(1) : this.#marks)
    room.append(END)
  }

  #readId(reader: NumberReader): boolean {
    const { at } = reader
    const id = this.#id
    id.from = 0
    id.to = 0
    const nameBytes = reader.varint()
    const isId = reader.bytes.compare(ID, 0, ID.length, reader.at, reader.at + nameBytes) === 0
    reader.at += nameBytes
    if (!isId) {
      reader.at = at
      return false
    }
    const length = reader.varint()
    id.from = reader.at
    id.to = reader.at + length
    reader.at = id.to
    this.names.add(ID_NAME)
    return true
  }

  #marksOf(reader: NumberReader, count: number): Buffer {
    const fields: string[] = []
    for (let left = count; left > 0; left--) {
      const name = String(reader.part())
      const value = reader.part()
      if (!name.startsWith(PREFIX)) continue
      this.names.add(name)
      fields.push(`,${JSON.stringify(name)}:${JSON.stringify(String(value ?? ''))}`)
    }
    return Buffer.from(fields.join(''))
  }
}

/** Whether a text needs no escapes in JSON. */
function isPlain(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number
    if (byte < SPACE || byte === QUOTE || byte === BACKSLASH || byte >= WIDE) return false
  }
  return true
}
