import type { LogRecords } from '../../connect/port.ts'
import {
  NumberReader,
  type OutgoingHeader,
  readVarint,
  varintBytes,
} from '../../connect/record-format.ts'
import { answerOf, refusePromise, valueKind } from '../../formats/identity.ts'
import { type ByteRoom, Place } from '../../kernel/bytes.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { isJsonObject } from '../../kernel/json.ts'
import type { SinkStep } from '../../topology/definition.ts'
import { isReservedHeader, TRACE_HEADERS } from '../../topology/source.ts'

// Headers of outputs besides those of the provenance.

/**
 * The headers that a sink's function returns for an event; those that are `null` or undefined are
 * left out.
 *
 * @throws TidemarkError `FUNCTION_THREW` · `OUTPUT_INVALID`: it returns what are not headers
 */
export function sinkHeaders(headersOf: NonNullable<SinkStep['headers']>, event: unknown) {
  const headers: OutgoingHeader[] = []
  for (const [name, value] of Object.entries(returned(headersOf, event))) {
    if (value === null || value === undefined) continue
    headers.push({ name: checkedName(name), value: valueOf(name, value) })
  }
  return headers
}

function returned(headersOf: NonNullable<SinkStep['headers']>, event: unknown): object {
  const headers: unknown = answerOf('headers', headersOf, event)
  refusePromise(headers, 'headers returned')
  if (isJsonObject(headers)) return headers
  throw invalid(`headers must return an object, got ${valueKind(headers)}`)
}

function checkedName(name: string): string {
  if (name === '') throw invalid('a header has an empty name')
  if (isReservedHeader(name))
    throw invalid(`header "${name}": only Tidemark writes headers of such a name`)
  return name
}

function valueOf(name: string, value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value
  if (typeof value !== 'string') {
    throw invalid(`header "${name}" must be text or a Buffer, got ${valueKind(value)}`)
  }
  if (!value.isWellFormed()) throw invalid(`header "${name}" is text with half a surrogate pair`)
  return Buffer.from(value)
}

function invalid(fault: string): TidemarkError {
  return new TidemarkError('OUTPUT_INVALID', fault)
}

// Headers that go from a record to its outputs. They are copied as bytes: a trace has one on every
// record.

/** Finds the headers of a record that its outputs get. */
export class PassedHeaders {
  readonly #names: readonly Buffer[]
  readonly #place = new Place()
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
    let at = place.from
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
      const reader = new NumberReader(buffer, this.#spans[i] as number)
      headers.push({ name: String(reader.part()), value: reader.part() })
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
