import { type ColumnForm, type FieldPath, ScannedColumns } from '../../columns/columns.ts'
import type { Reader } from '../../columns/events.ts'
import { columnReader, ScannedEvents } from '../../columns/scanned-events.ts'
import { valuePlace } from '../../kernel/bytes.ts'
import type { Slices } from '../../kernel/slices.ts'
import { checkedBy } from '../../topology/schema.ts'
import type { Decoded, Format, FormatSource, RawChunk, RawRecord } from '../format.ts'
import {
  decodeEach,
  type EachDecoder,
  EventMaker,
  type OpenChunk,
  valueOf,
} from '../record-decoding.ts'
import { type JsonLimits, LIMITS, parseJson } from './parse-json.ts'
import { compileScanner, type Scanner } from './scanner.ts'

/** JSON in UTF-8, checked by the schema of the source. */
export class JsonFormat implements Format, EachDecoder {
  readonly reader: Reader
  readonly forms: readonly ColumnForm[]
  readonly whyMade: string | null
  readonly #decoder: JsonDecoder
  readonly #maker: EventMaker
  readonly #value = valuePlace()
  readonly #place = { memory: this.#value.memory, from: 0, to: 0 }
  /** `null`: the effect of the schema is not known. */
  readonly #scanner: Scanner | null

  /** @param wanted fields that the topology needs */
  constructor(source: FormatSource, wanted: readonly FieldPath[]) {
    const compiled = compileScanner(source.schema, { wanted, limits: LIMITS })
    this.#decoder = new JsonDecoder(source)
    this.#maker = new EventMaker(source, this.#decoder)
    this.#scanner = 'why' in compiled ? null : compiled.scanner
    this.whyMade = 'why' in compiled ? compiled.why : null
    this.forms = this.#scanner?.forms ?? []
    this.reader = columnReader(this.forms)
  }

  prepare(): null {
    return null
  }

  decode(chunk: RawChunk, slices: Slices): Generator<void, Decoded> {
    const taken: number[] = []
    const { records } = chunk
    const events = this.events(records.length, (index) => records.at(taken[index] as number))
    return decodeEach({ ...chunk, events, taken }, slices, this)
  }

  /** Allocates room for events. @param recordOf returns the record of an event, by index */
  events(capacity: number, recordOf: (index: number) => Pick<RawRecord, 'value'>): ScannedEvents {
    const columns = new ScannedColumns(this.forms, capacity)
    return new ScannedEvents(columns, (index) => this.#decoder.decodeScanned(recordOf(index)))
  }

  add(chunk: OpenChunk, index: number): boolean {
    if (!this.#isScanned(chunk, index)) return this.#maker.add(chunk, index)
    chunk.events.addScanned(this.#value.memory)
    return true
  }

  /** Scans a record into the columns; false: it must be decoded. */
  #isScanned({ records, events: { columns, count } }: OpenChunk, index: number): boolean {
    if (this.#scanner === null) return false
    const value = this.#value
    records.locate(index, value)
    if (!value.hasKey || value.valueStart < 0) return false
    const place = this.#place
    place.memory = value.memory
    place.from = value.valueStart
    place.to = value.valueEnd
    return this.#scanner.scan(place, columns, count)
  }
}

/** Decodes JSON in UTF-8, checked by the schema of the source. */
export class JsonDecoder {
  readonly #schema: FormatSource['schema']
  readonly #limits: JsonLimits

  constructor(source: Pick<FormatSource, 'schema'>, limits: JsonLimits = LIMITS) {
    this.#schema = source.schema
    this.#limits = limits
  }

  /**
   * @throws TidemarkError the first of: `TOMBSTONE` · `NULL_KEY` · `RECORD_TOO_LARGE` · `NOT_UTF8`
   * · `JSON_DEPTH` · `JSON_FIELDS` · `JSON_INVALID` · `JSON_PROTO` · `SCHEMA_INVALID` ·
   * `FUNCTION_THREW` (in the schema)
   */
  decode(record: Pick<RawRecord, 'key' | 'value'>): unknown {
    return checkedBy(this.#schema, parseJson(valueOf(record, this.#limits.bytes), this.#limits))
  }

  /** Decodes a record that the scanner has accepted: its JSON is valid and within the limits. */
  decodeScanned({ value }: Pick<RawRecord, 'value'>): unknown {
    return checkedBy(this.#schema, JSON.parse((value as Buffer).toString('utf8')))
  }
}
