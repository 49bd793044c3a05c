import { type ByteRoom, partsPlace } from '../kernel/bytes.ts'
import type { LogRecords } from '../records/port.ts'
import { type OutgoingHeader, readVarint, varintBytes } from '../records/record-format.ts'
import { TRACE_HEADERS } from '../topology/source.ts'

// Headers that go from a record to its outputs. They are copied as bytes: a trace has one on every
// record.

/** Finds the headers of a record that its outputs get. */
export class PassedHeaders {
  readonly #names: readonly Buffer[]
  readonly #place = partsPlace()
  /** Where each that was found begins and ends in the place's memory. */
  readonly #spans: number[] = []

  /** @param names whose headers are passed on, besides those of a trace */
  constructor(names: readonly string[] = []) {
    this.#names = [...new Set([...TRACE_HEADERS, ...names])].map((name) => Buffer.from(name))
  }

  /** Looks at a record. Returns how many of its headers are passed on. */
  find(records: LogRecords, index: number): number {
    const place = this.#place
    this.#spans.length = 0
    records.locateHeaders(index, place)
    const { buffer } = place.memory
    let at = place.start
    const count = readVarint(buffer, at)
    at += varintBytes(count)
    for (let left = count; left > 0; left--) {
      const begin = at
      const nameBytes = readVarint(buffer, at)
      const nameAt = at + varintBytes(nameBytes)
      at = nameAt + nameBytes
      const valueBytes = readVarint(buffer, at)
      at += varintBytes(valueBytes) + Math.max(0, valueBytes)
      if (this.#isPassed(buffer, nameAt, nameBytes)) this.#spans.push(begin, at)
    }
    return this.#spans.length / 2
  }

  /** Appends what was found, as in a batch. */
  append(room: ByteRoom): void {
    const spans = this.#spans
    for (let i = 0; i < spans.length; i += 2) {
      room.copy(this.#place.memory, spans[i] as number, spans[i + 1] as number)
    }
  }

  /** The found headers as objects. */
  list(): OutgoingHeader[] {
    const { buffer } = this.#place.memory
    const headers: OutgoingHeader[] = []
    for (let i = 0; i < this.#spans.length; i += 2) {
      const at = this.#spans[i] as number
      const nameBytes = readVarint(buffer, at)
      const nameAt = at + varintBytes(nameBytes)
      const name = buffer.toString('utf8', nameAt, nameAt + nameBytes)
      const valueBytes = readVarint(buffer, nameAt + nameBytes)
      const end = this.#spans[i + 1] as number
      const value = valueBytes < 0 ? null : buffer.subarray(end - valueBytes, end)
      headers.push({ name, value })
    }
    return headers
  }

  #isPassed(buffer: Buffer, at: number, bytes: number): boolean {
    for (const name of this.#names) {
      if (name.length === bytes && isAt(name, buffer, at)) return true
    }
    return false
  }
}

function isAt(name: Buffer, buffer: Buffer, at: number): boolean {
  for (let i = 0; i < name.length; i++) if (buffer[at + i] !== name[i]) return false
  return true
}
