import { isUtf8 } from 'node:buffer'
import { parse } from 'secure-json-parse'
import { TidemarkError } from '../../kernel/errors.ts'
import { checkedBy } from '../../topology/schema.ts'
import type { FormatSource, RawRecord } from '../format.ts'
import { valueOf } from '../record-value.ts'
import { foreignFormat, jsonFault } from './json-fault.ts'
import { type JsonLimits, LIMITS, passedLimit } from './limits.ts'

const LIMIT_MESSAGES = {
  JSON_DEPTH: ({ depth }: JsonLimits) => `objects and arrays are nested more than ${depth} deep`,
  JSON_FIELDS: ({ fields }: JsonLimits) => `more than ${fields} fields`,
}

/** Decodes records into events: JSON in UTF-8, checked by the source's schema. */
export class EventDecoder {
  readonly #schema: FormatSource['schema']
  readonly #limits: JsonLimits

  constructor(source: Pick<FormatSource, 'schema'>, limits: JsonLimits = LIMITS) {
    this.#schema = source.schema
    this.#limits = limits
  }

  /**
   * The event of a record, as the schema returns it.
   *
   * @throws TidemarkError one that makes the record a dead letter, the first of: `TOMBSTONE` ·
   * `NULL_KEY` · `RECORD_TOO_LARGE` · `NOT_UTF8` · `JSON_DEPTH` · `JSON_FIELDS` · `JSON_INVALID` ·
   * `JSON_PROTO` · `SCHEMA_INVALID` · `FUNCTION_THREW` (in the schema)
   */
  decode(record: Pick<RawRecord, 'key' | 'value'>): unknown {
    return checkedBy(this.#schema, parseJson(valueOf(record, this.#limits.bytes), this.#limits))
  }

  /**
   * The event of a record that the scanner has accepted: it is within limits and well-formed, and
   * has no field named `__proto__`.
   */
  decodeScanned({ value }: Pick<RawRecord, 'value'>): unknown {
    return checkedBy(this.#schema, JSON.parse((value as Buffer).toString('utf8')))
  }
}

/**
 * Parses JSON in UTF-8 within the limits.
 * @throws TidemarkError one that makes the record a dead letter, the first of: `NOT_UTF8` ·
 * `JSON_DEPTH` · `JSON_FIELDS` · `JSON_INVALID` · `JSON_PROTO`
 */
export function parseJson(value: Buffer, limits: JsonLimits = LIMITS): unknown {
  if (!isUtf8(value)) throw notUtf8(value)
  const passed = passedLimit(value, limits)
  if (passed !== null) throw new TidemarkError(passed, LIMIT_MESSAGES[passed](limits))
  return parsed(value)
}

/** A value that should be text in UTF-8, and is not. */
export function notUtf8(value: Buffer): TidemarkError {
  const format = foreignFormat(value)
  const cause = format === null ? '' : `: ${format}`
  return new TidemarkError('NOT_UTF8', `the value is not UTF-8${cause}`)
}

function parsed(value: Buffer): unknown {
  try {
    return parse(value.toString('utf8'), { protoAction: 'error', constructorAction: 'ignore' })
  } catch {
    // V8's message quotes the text, so it is not passed on.
    if (value.length === 0) throw new TidemarkError('JSON_INVALID', 'the value is empty')
    const fault = jsonFault(value)
    throw fault === null
      ? new TidemarkError('JSON_PROTO', 'a field is named __proto__')
      : new TidemarkError('JSON_INVALID', `the value is not JSON ${fault}`)
  }
}
