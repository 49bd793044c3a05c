import { isUtf8 } from 'node:buffer'
import type { ScannedEvents } from '../columns/scanned-events.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { Slices } from '../kernel/slices.ts'
import { checkedBy, isPromise, nameOf } from '../topology/schema.ts'
import type {
  OnTombstone,
  RecordHeader,
  SourcePartition,
  SourceRecord,
} from '../topology/source.ts'
import type { Decoded, DecodeFault, FormatSource, RawChunk, RawRecord } from './format.ts'

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
    this.#headers ??= this.#record.headers
    return this.#headers
  }

  header(name: string): string | undefined {
    return this.headers.findLast((header) => header.name === name)?.value.toString('utf8')
  }
}

/** @throws TidemarkError the first of: `TOMBSTONE` · `NULL_KEY` · `RECORD_TOO_LARGE` */
export function valueOf(
  { key, value }: Pick<RawRecord, 'key' | 'value'>,
  maxBytes: number,
): Buffer {
  if (value === null) throw tombstone()
  if (key === null) throw nullKey()
  if (value.length > maxBytes) {
    const sizes = `the value has ${value.length} bytes, the maximum is ${maxBytes}`
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

/** Records decoded between two checks of the time. */
const UNASKED = 32

export interface OpenChunk extends RawChunk {
  readonly events: ScannedEvents
  /** The index of the record of each event. */
  readonly taken: number[]
}

export interface EachDecoder {
  /** Adds the event of a record, or throws its dead letter; false: the record is skipped. */
  add(chunk: OpenChunk, index: number): boolean
}

/** Decodes the records of a chunk one by one. Yields where other work may have its turn. */
export function* decodeEach(
  chunk: OpenChunk,
  slices: Slices,
  by: EachDecoder,
): Generator<void, Decoded> {
  const { records, events, taken } = chunk
  const faults: DecodeFault[] = []
  for (let record = 0; record < records.length; record++) {
    if (record % UNASKED === UNASKED - 1 && slices.isOver) yield
    try {
      if (by.add(chunk, record)) taken.push(record)
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
      faults.push({ record, error })
    }
  }
  return { events, records: taken, faults }
}

/** Makes an event from a record with a value. */
export interface RecordDecoder {
  /** @throws TidemarkError one that makes the record a dead letter */
  decode(record: RawRecord, from: SourcePartition): unknown
}

/** Makes an object from a record, or from a tombstone as the source says. */
export class EventMaker implements EachDecoder {
  readonly #schema: FormatSource['schema']
  readonly #onTombstone: OnTombstone
  readonly #decoder: RecordDecoder

  constructor(
    { schema, onTombstone }: Pick<FormatSource, 'schema' | 'onTombstone'>,
    decoder: RecordDecoder,
  ) {
    this.#schema = schema
    this.#onTombstone = onTombstone
    this.#decoder = decoder
  }

  add({ records, from, events }: OpenChunk, index: number): boolean {
    const record = records.at(index)
    if (record.value !== null) events.addMade(this.#decoder.decode(record, from))
    else if (this.#onTombstone === 'skip') return false
    else events.addMade(this.#ofTombstone(record, from))
    return true
  }

  #ofTombstone(record: RawRecord, from: SourcePartition): unknown {
    const { key } = record
    const make = this.#onTombstone
    if (typeof make !== 'function') throw tombstone()
    if (key === null) throw nullKey()
    if (!isUtf8(key))
      throw new TidemarkError('KEY_INVALID', 'the key of the tombstone is not UTF-8')
    const given = new GivenRecord(record, from)
    let made: unknown
    try {
      made = make(key.toString('utf8'), given)
    } catch (cause) {
      const what = `onTombstone threw ${nameOf(cause)}`
      throw new TidemarkError('FUNCTION_THREW', what, { cause })
    }
    if (isPromise(made)) {
      const hint = 'functions of a topology must be synchronous: no async'
      throw new TidemarkError('FUNCTION_THREW', 'onTombstone returned a promise', { hint })
    }
    return checkedBy(this.#schema, made)
  }
}
