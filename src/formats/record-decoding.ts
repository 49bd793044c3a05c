import { isUtf8 } from 'node:buffer'
import { type ColumnForm, ScannedColumns } from '../columns/columns.ts'
import type { Reader } from '../columns/events.ts'
import { columnReader, ScannedEvents } from '../columns/scanned-events.ts'
import { Place } from '../kernel/bytes.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { showsInexact } from '../kernel/json.ts'
import type { Slices } from '../kernel/slices.ts'
import { checkedBy } from '../topology/schema.ts'
import type { RecordHeader, SourcePartition, SourceRecord } from '../topology/source.ts'
import type { Decoded, DecodeFault, Format, FormatSource, RawChunk, RawRecord } from './format.ts'
import { answerOf, refusePromise } from './identity.ts'
import type { RowScan } from './json/bound.ts'
import { declaredIntegers, ROUNDED } from './json/declared-integers.ts'
import { jsonSchemaOf } from './json/field-rules.ts'
import { LIMITS } from './json/parse-json.ts'

/** The offset and the partition of a record that is not written yet. */
export const UNWRITTEN = -1

/** A record as an argument of author functions. Its headers are made when they are asked for. */
export class GivenRecord implements SourceRecord {
  readonly topic: string
  readonly partition: number
  readonly #record: RawRecord
  #headers: readonly RecordHeader[] | null = null

  /** @param record it has a key */
  constructor(record: RawRecord, { topic, partition }: SourcePartition) {
    this.topic = topic
    this.partition = partition
    this.#record = record
  }

  get offset(): number {
    return this.#record.offset
  }

  get timestampMs(): number {
    return this.#record.timestampMs
  }

  get key(): Buffer {
    return this.#record.key as Buffer
  }

  get value(): Buffer | null {
    return this.#record.value
  }

  get headers(): readonly RecordHeader[] {
    return (this.#headers ??= this.#record.headers)
  }

  header(name: string): string | undefined {
    return this.headers.findLast((header) => header.name === name)?.value.toString('utf8')
  }
}

/** @throws TidemarkError the first of: `TOMBSTONE` · `NULL_KEY` · `RECORD_TOO_LARGE` */
export function valueOf({ key, value }: Pick<RawRecord, 'key' | 'value'>): Buffer {
  if (value === null) throw tombstone()
  if (key === null) throw nullKey()
  if (value.length > LIMITS.bytes) {
    const sizes = `the value has ${value.length} bytes, the maximum is ${LIMITS.bytes}`
    throw new TidemarkError('RECORD_TOO_LARGE', sizes)
  }
  return value
}

function tombstone(): TidemarkError {
  return new TidemarkError('TOMBSTONE', 'the record has no value: a tombstone')
}

function nullKey(): TidemarkError {
  return new TidemarkError('NULL_KEY', 'the record has no key')
}

/** @throws TidemarkError one that makes the record a dead letter */
export type DecodeRecord = (record: RawRecord, from: SourcePartition) => unknown

interface RecordReading {
  /** Makes the value that the schema validates. */
  readonly read: DecodeRecord
  /** @default there is nothing to wait for */
  readonly prepare?: Format['prepare']
}

export interface RecordScan {
  readonly forms: readonly ColumnForm[]
  /** Scans a value; false: the record must be decoded. */
  readonly scan: RowScan
  /** Makes the event of a scanned record. */
  readonly event: (record: RawRecord) => unknown
}

/** Records decoded between two checks of the time. */
const UNASKED = 32

/** Decodes records one by one: into columns where it can, else into objects. */
export class RecordFormat implements Format {
  readonly reader: Reader
  readonly forms: readonly ColumnForm[]
  readonly whyMade: string | null
  readonly prepare: Format['prepare']
  readonly #source: FormatSource
  readonly #read: DecodeRecord
  /** Whether the value has an inexact integer where the schema declares one; `null`: it has none. */
  readonly #isRounded: ((value: unknown) => boolean) | null
  readonly #scan: RecordScan | null
  readonly #place = new Place()

  /** @param scan `why`: no record can be scanned */
  constructor(
    source: FormatSource,
    { read, prepare = () => null }: RecordReading,
    scan: RecordScan | { readonly why: string },
  ) {
    this.#source = source
    this.#read = read
    const rules = jsonSchemaOf(source.schema)
    // The schema of a CloudEvent lists its fields.
    const isEnvelope = source.format.is === 'cloudevents'
    this.#isRounded = declaredIntegers(isEnvelope ? { properties: rules } : rules)
    this.#scan = 'why' in scan ? null : scan
    this.whyMade = 'why' in scan ? scan.why : null
    this.forms = this.#scan?.forms ?? []
    this.reader = columnReader(this.forms)
    this.prepare = prepare
  }

  *decode(chunk: RawChunk, slices: Slices): Generator<void, Decoded> {
    const { records } = chunk
    const taken: number[] = []
    const faults: DecodeFault[] = []
    const events = this.events(records.length, (index) => records.at(taken[index] as number))
    const open = { ...chunk, events }
    for (let record = 0; record < records.length; record++) {
      if (record % UNASKED === UNASKED - 1 && slices.isOver) yield
      try {
        if (this.add(open, record)) taken.push(record)
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
        faults.push({ record, error })
      }
    }
    return { events, records: taken, faults }
  }

  /** Allocates room for events. @param recordOf returns the record of an event, by index */
  events(capacity: number, recordOf: (index: number) => RawRecord): ScannedEvents {
    const columns = new ScannedColumns(this.forms, capacity)
    return new ScannedEvents(columns, (index) => this.#scan?.event(recordOf(index)))
  }

  /** Adds the event of a record, or throws its dead letter; false: the record is skipped. */
  add(chunk: OpenChunk, index: number): boolean {
    const { events, records, from } = chunk
    if (this.#isScanned(chunk, index)) {
      events.addScanned(this.#place.memory)
      return true
    }
    const record = records.at(index)
    if (record.value !== null) events.addMade(this.#decoded(record, from))
    else if (this.#source.onTombstone === 'skip') return false
    else events.addMade(this.#ofTombstone(record, from))
    return true
  }

  #decoded(record: RawRecord, from: SourcePartition): unknown {
    const value = this.#read(record, from)
    const event = checkedBy(this.#source.schema, value)
    if (this.#source.format.is === 'decode' || !this.#isRounded?.(value)) return event
    throw new TidemarkError('SCHEMA_INVALID', `the schema declares ${ROUNDED}`)
  }

  checkKey(key: string, record: RawRecord, from: SourcePartition): void {
    if (record.value === null || this.#source.format.is === 'decode') return
    if (!showsInexact(key, () => this.#read(record, from))) return
    throw new TidemarkError('KEY_INVALID', 'key has an integer beyond ±(2^53 − 1)')
  }

  #isScanned({ records, events: { columns, count } }: OpenChunk, index: number): boolean {
    if (this.#scan === null) return false
    const place = this.#place
    if (!records.locate(index, place) || place.from < 0) return false
    return this.#scan.scan(place, columns, count)
  }

  #ofTombstone(record: RawRecord, from: SourcePartition): unknown {
    const { key } = record
    const { onTombstone: make, schema } = this.#source
    if (typeof make !== 'function') throw tombstone()
    if (key === null) throw nullKey()
    if (!isUtf8(key))
      throw new TidemarkError('KEY_INVALID', 'the key of the tombstone is not UTF-8')
    const sourceRecord = new GivenRecord(record, from)
    const made = answerOf('onTombstone', (text) => make(text, sourceRecord), key.toString('utf8'))
    refusePromise(made, 'onTombstone returned', 'FUNCTION_THREW')
    return checkedBy(schema, made)
  }
}

interface OpenChunk extends RawChunk {
  readonly events: ScannedEvents
}
