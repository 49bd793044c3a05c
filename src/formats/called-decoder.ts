import { TidemarkError } from '../kernel/errors.ts'
import { checkedBy, isPromise, nameOf } from '../topology/schema.ts'
import type { DecodeFormat, RecordWithValue, SourcePartition } from '../topology/source.ts'
import type { RecordDecoder } from './event-maker.ts'
import type { FormatSource, RawRecord } from './format.ts'
import { GivenRecord } from './given-record.ts'
import { LIMITS } from './json/limits.ts'
import { valueOf } from './record-value.ts'

/** Decodes records by a function of the author's. */
export class CalledDecoder implements RecordDecoder {
  readonly #schema: FormatSource['schema']
  readonly #decode: DecodeFormat['decode']

  constructor({ schema }: Pick<FormatSource, 'schema'>, { decode }: DecodeFormat) {
    this.#schema = schema
    this.#decode = decode
  }

  /**
   * @throws TidemarkError the first of: `NULL_KEY` · `RECORD_TOO_LARGE` · `PAYLOAD_INVALID`: the
   * function threw, or returned a promise · `SCHEMA_INVALID` · `FUNCTION_THREW` (in the schema)
   */
  decode(record: RawRecord, from: SourcePartition): unknown {
    valueOf(record, LIMITS.bytes)
    const made = this.#call(new GivenRecord(record, from) as RecordWithValue)
    if (!isPromise(made)) return checkedBy(this.#schema, made)
    throw new TidemarkError('PAYLOAD_INVALID', 'decode returned a promise', {
      hint: 'it must decode at once: asynchronous functions are not supported',
    })
  }

  #call(record: RecordWithValue): unknown {
    try {
      return this.#decode(record)
    } catch (cause) {
      throw new TidemarkError('PAYLOAD_INVALID', `decode threw ${nameOf(cause)}`, { cause })
    }
  }
}
