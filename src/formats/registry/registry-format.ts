import { TidemarkError } from '../../kernel/errors.ts'
import { type ValuePlace, valuePlace } from '../../kernel/memory.ts'
import type { Slices } from '../../kernel/slices.ts'
import { ScannedColumns } from '../../plan/columns.ts'
import { columnReader, ScannedEvents } from '../../plan/scanned-events.ts'
import type { RegisteredSchema, SchemaRegistry } from '../../registry/schema-registry.ts'
import type { SourceDefinition } from '../../topology/definition.ts'
import { checkedBy } from '../../topology/schema.ts'
import type { RegistryFormat as FormatDefinition } from '../../topology/source-format.ts'
import { avroDecoder, checkReader } from '../avro/avro-decoder.ts'
import type { Decoded, DecodeFault, Format, RawRecord, RawRecords } from '../format.ts'
import { LIMITS } from '../json/limits.ts'
import { jsonDecoder } from '../json/registered-json.ts'
import { protobufDecoder } from '../protobuf/protobuf-decoder.ts'
import { valueOf } from '../record-value.ts'
import { KnownSchemas } from './known-schemas.ts'
import type { PayloadDecoder } from './payload-decoder.ts'
import { noSchemaId, PREFIX_BYTES, schemaIdOf } from './wire-format.ts'

/** Records decoded between two checks whether other work should have its turn. */
const UNASKED = 32

/** The format of values whose schemas are in a schema registry. */
export class RegistryFormat implements Format {
  readonly forms = []
  readonly reader = columnReader([])
  readonly whyMade = 'its schemas are in a registry'
  readonly #source: SourceDefinition
  readonly #typeField: string | null
  readonly #schemas: KnownSchemas
  readonly #value: ValuePlace = valuePlace()

  /** @throws TidemarkError `TOPOLOGY_INVALID`: its reader's schema is none */
  constructor(source: SourceDefinition, format: FormatDefinition, registry: SchemaRegistry) {
    checkReader(format.reader, source.topic)
    this.#source = source
    this.#typeField = format.typeField
    this.#schemas = new KnownSchemas(registry, (schema) => decoderOf(schema, format))
  }

  prepare(records: RawRecords): Promise<void> | null {
    const missing = new Set<number>()
    for (let i = 0; i < records.length; i++) {
      const id = this.#idAt(records, i)
      if (id !== null && this.#schemas.get(id) === undefined) missing.add(id)
    }
    return missing.size === 0 ? null : this.#fetch([...missing])
  }

  *decode(all: RawRecords, slices: Slices): Generator<void, Decoded> {
    const records: number[] = []
    const faults: DecodeFault[] = []
    const columns = new ScannedColumns([], all.length)
    // Every event is made at once.
    const events = new ScannedEvents(columns, () => null)
    for (let record = 0; record < all.length; record++) {
      if (record % UNASKED === UNASKED - 1 && slices.isOver) yield
      try {
        events.addMade(this.#event(all.at(record)))
        records.push(record)
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
        faults.push({ record, error })
      }
    }
    return { events, records, faults }
  }

  async #fetch(ids: readonly number[]): Promise<void> {
    await Promise.all(ids.map((id) => this.#schemas.fetch(id)))
  }

  /** The schema id of a record; `null`: it has none. */
  #idAt(records: RawRecords, index: number): number | null {
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
    if (known === undefined) throw new TidemarkError('INVARIANT', `schema ${id} was not prepared`)
    if ('error' in known) throw known.error
    return known
  }

  #withType(value: unknown, type: string | null): unknown {
    const field = this.#typeField
    if (field === null || typeof value !== 'object' || value === null) return value
    return { ...value, [field]: type }
  }
}

function decoderOf(schema: RegisteredSchema, { reader }: FormatDefinition): PayloadDecoder {
  switch (schema.type) {
    case 'avro':
      return avroDecoder(schema, reader)
    case 'protobuf':
      return protobufDecoder(schema)
    case 'json':
      return jsonDecoder(schema)
  }
}
