import { isUtf8 } from 'node:buffer'
import { parse } from 'secure-json-parse'
import { TidemarkError } from '../kernel/errors.ts'
import type { SourceDefinition } from '../topology/definition.ts'
import { checkedBy } from '../topology/schema.ts'
import { LIMITS, type Limits, passedLimit } from './limits.ts'

const LIMIT_MESSAGES = {
  JSON_DEPTH: ({ depth }: Limits) => `more than ${depth} objects and arrays within one another`,
  JSON_FIELDS: ({ fields }: Limits) => `more than ${fields} fields`,
}

/** What an event is made of. */
export interface RawRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** Makes events of records: JSON in UTF-8, then the source's schema. */
export class EventDecoder {
  readonly #schema: SourceDefinition['schema']
  readonly #limits: Limits

  constructor(source: SourceDefinition, limits: Limits = LIMITS) {
    this.#schema = source.schema
    this.#limits = limits
  }

  /**
   * The event of a record, as the schema gives it.
   *
   * @throws TidemarkError one that makes the record a dead letter, the first of: `TOMBSTONE` · `NULL_KEY` ·
   * `RECORD_TOO_LARGE` · `NOT_UTF8` · `JSON_DEPTH` · `JSON_FIELDS` · `JSON_INVALID` · `JSON_PROTO` ·
   * `SCHEMA_INVALID` · `FUNCTION_THREW` (in the schema)
   */
  decode(record: RawRecord): unknown {
    return checkedBy(this.#schema, parsed(textOf(record, this.#limits)))
  }
}

function textOf({ key, value }: RawRecord, limits: Limits): string {
  if (value === null) throw new TidemarkError('TOMBSTONE', 'a record without a value is no event')
  if (key === null) throw new TidemarkError('NULL_KEY', 'the record has no key')
  if (value.length > limits.bytes) {
    const sizes = `the value has ${value.length} bytes, ${limits.bytes} are taken at most`
    throw new TidemarkError('RECORD_TOO_LARGE', sizes)
  }
  if (!isUtf8(value)) throw new TidemarkError('NOT_UTF8', 'the value is not UTF-8')
  const passed = passedLimit(value, limits)
  if (passed !== null) throw new TidemarkError(passed, LIMIT_MESSAGES[passed](limits))
  return value.toString('utf8')
}

function parsed(text: string): unknown {
  try {
    return parse(text, { protoAction: 'error', constructorAction: 'ignore' })
  } catch {
    // V8's message quotes the text, so it is not passed on.
    throw isJson(text)
      ? new TidemarkError('JSON_PROTO', 'a field is named __proto__')
      : new TidemarkError(
          'JSON_INVALID',
          text === '' ? 'the value is empty' : 'the value is not JSON',
        )
  }
}

function isJson(text: string): boolean {
  try {
    parse(text, { protoAction: 'ignore', constructorAction: 'ignore' })
    return true
  } catch {
    return false
  }
}
