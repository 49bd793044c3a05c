import { isUtf8 } from 'node:buffer'
import { checkedBy } from '../topology/schema.ts'
import type { RecordDecoder } from './event-maker.ts'
import type { FormatSource, RawRecord } from './format.ts'
import { notUtf8 } from './json/event-decoder.ts'
import { LIMITS } from './json/limits.ts'
import { valueOf } from './record-value.ts'

/** Decodes values that are text in UTF-8. */
export class TextValueDecoder implements RecordDecoder {
  readonly #schema: FormatSource['schema']

  constructor({ schema }: Pick<FormatSource, 'schema'>) {
    this.#schema = schema
  }

  /**
   * @throws TidemarkError the first of: `NULL_KEY` · `RECORD_TOO_LARGE` · `NOT_UTF8` ·
   * `SCHEMA_INVALID` · `FUNCTION_THREW` (in the schema)
   */
  decode(record: RawRecord): unknown {
    const value = valueOf(record, LIMITS.bytes)
    if (!isUtf8(value)) throw notUtf8(value)
    return checkedBy(this.#schema, value.toString('utf8'))
  }
}
