import { type ColumnForm, type FieldPath, ScannedColumns } from '../../columns/columns.ts'
import type { Reader } from '../../columns/events.ts'
import { columnReader, ScannedEvents } from '../../columns/scanned-events.ts'
import { type ValuePlace, valuePlace } from '../../kernel/bytes.ts'
import type { Slices } from '../../kernel/slices.ts'
import type { SchemaRegistry } from '../../registry/schema-registry.ts'
import { checkedBy } from '../../topology/schema.ts'
import type { RegistrySourceFormat } from '../../topology/source.ts'
import type {
  Decoded,
  Format,
  FormatSource,
  Preparing,
  RawChunk,
  RawRecord,
  RawRecords,
} from '../format.ts'
import { boundOf } from '../json/bound.ts'
import { LIMITS } from '../json/parse-json.ts'
import { plainOf } from '../json/zod-schema.ts'
import {
  decodeEach,
  type EachDecoder,
  EventMaker,
  type OpenChunk,
  valueOf,
} from '../record-decoding.ts'
import {
  noSchemaId,
  type PayloadDecoder,
  PREFIX_BYTES,
  type ScanTarget,
  schemaIdOf,
} from './payload.ts'
import { KnownSchemas } from './schemas.ts'

/** Values in Confluent's wire format, whose schemas are in a schema registry. */
export class ConfluentFormat implements Format, EachDecoder {
  readonly forms: readonly ColumnForm[]
  readonly reader: Reader
  readonly whyMade: string | null
  readonly #source: FormatSource
  readonly #typeField: string | null
  readonly #schemas: KnownSchemas
  readonly #maker: EventMaker
  readonly #value: ValuePlace = valuePlace()
  readonly #place = { memory: this.#value.memory, from: 0, to: 0 }

  constructor(
    source: FormatSource,
    format: RegistrySourceFormat,
    { registry, wanted }: { registry: SchemaRegistry; wanted: readonly FieldPath[] },
  ) {
    const found =
      format.typeField === null ? targetOf(source, wanted) : { why: 'it has a typeField' }
    const target = 'why' in found ? null : found
    this.whyMade = 'why' in found ? found.why : null
    this.forms = target?.bound.columns ?? []
    this.reader = columnReader(this.forms)
    this.#source = source
    this.#maker = new EventMaker(source, { decode: (record) => this.#event(record) })
    this.#typeField = format.typeField
    this.#schemas = new KnownSchemas(registry, target)
  }

  prepare(records: RawRecords, how: Preparing): Promise<void> | null {
    const missing = new Set<number>()
    for (let i = 0; i < records.length; i++) {
      const id = this.#locate(records, i)
      if (id !== null && this.#schemas.get(id) === undefined) missing.add(id)
    }
    const wanted = [...missing].filter((id) => !this.#schemas.isGivenUp(id, how))
    return wanted.length === 0 ? null : this.#schemas.fetch(wanted, how)
  }

  decode(chunk: RawChunk, slices: Slices): Generator<void, Decoded> {
    const taken: number[] = []
    const { records } = chunk
    const columns = new ScannedColumns(this.forms, records.length)
    const made = (index: number) => this.#event(records.at(taken[index] as number))
    return decodeEach({ ...chunk, events: new ScannedEvents(columns, made), taken }, slices, this)
  }

  add(chunk: OpenChunk, index: number): boolean {
    if (!this.#isScanned(chunk, index)) return this.#maker.add(chunk, index)
    chunk.events.addScanned(this.#value.memory)
    return true
  }

  /** Scans a record into the columns; false: it must be decoded. */
  #isScanned({ records, events: { columns, count } }: OpenChunk, index: number): boolean {
    const id = this.#locate(records, index)
    const { memory, valueStart, valueEnd, hasKey } = this.#value
    if (id === null || !hasKey || valueEnd - valueStart > LIMITS.bytes) return false
    const known = this.#schemas.get(id)
    if (known === undefined || 'error' in known || known.scan === null) return false
    const place = this.#place
    place.memory = memory
    place.from = valueStart + PREFIX_BYTES
    place.to = valueEnd
    return known.scan(place, columns, count)
  }

  /** Locates a value, and returns its schema id; `null`: it has none. */
  #locate(records: RawRecords, index: number): number | null {
    const place = this.#value
    records.locate(index, place)
    const { memory, valueStart, valueEnd } = place
    return valueStart < 0 ? null : schemaIdOf(memory.bytes, valueStart, valueEnd)
  }

  #event(record: RawRecord): unknown {
    const value = valueOf(record, LIMITS.bytes)
    const id = schemaIdOf(value, 0, value.length)
    if (id === null) throw noSchemaId(value.length)
    const { value: decoded, type } = this.#decoder(id).decode(value.subarray(PREFIX_BYTES))
    return checkedBy(this.#source.schema, this.#withType(decoded, type))
  }

  #decoder(id: number): PayloadDecoder {
    const known = this.#schemas.get(id)
    if (known === undefined) throw this.#schemas.whyNot(id)
    if ('error' in known) throw known.error
    return known
  }

  #withType(value: unknown, type: string | null): unknown {
    const field = this.#typeField
    if (field === null || typeof value !== 'object' || value === null) return value
    return { ...value, [field]: type }
  }
}

function targetOf(
  { schema }: FormatSource,
  wanted: readonly FieldPath[],
): ScanTarget | { readonly why: string } {
  const plain = plainOf(schema)
  if (plain.kind === 'opaque') return plain
  if (plain.kind !== 'object') return { why: 'it has several kinds of event' }
  const bound = boundOf(plain, wanted)
  const columns = bound.columns.map((column) => ({ ...column, isBinary: true }) as const)
  return { plain, bound: { ...bound, columns } }
}
