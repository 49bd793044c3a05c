import { isUtf8 } from 'node:buffer'
import { TidemarkError } from '../kernel/errors.ts'
import { checkedBy, isPromise, nameOf } from '../topology/schema.ts'
import type { OnTombstone, SourcePartition } from '../topology/source.ts'
import type { EachDecoder, OpenChunk } from './decode-each.ts'
import type { FormatSource, RawRecord } from './format.ts'
import { GivenRecord } from './given-record.ts'
import { nullKey, tombstone } from './record-value.ts'

/** Decodes a record with a value into its event. */
export interface RecordDecoder {
  /** @throws TidemarkError one that makes the record a dead letter */
  decode(record: RawRecord, from: SourcePartition): unknown
}

/**
 * Makes the event of a record as an object: by a decoder, or for a tombstone as the source says.
 */
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
