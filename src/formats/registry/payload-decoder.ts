import type { ScannedColumns } from '../../columns/columns.ts'
import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import type { Bound } from '../json/bound.ts'
import type { PlainObject } from '../json/plain.ts'
import type { RecordPlace } from '../json/record-place.ts'

/** Decodes the values that were written with one schema. */
export interface PayloadDecoder {
  /**
   * Decodes a value.
   * @param payload the record's value without the schema's id
   * @returns an object or another value, and the full name of its type; `null`: it has none
   * @throws TidemarkError one that makes the record a dead letter
   */
  readonly decode: (payload: Buffer) => { readonly value: unknown; readonly type: string | null }
  /**
   * Fills columns without creating a value; false: the value has to be decoded. `null`: every value
   * has to be.
   */
  readonly scan: PayloadScan | null
}

/** Scans a value into a row. After a false result the contents of the row are undefined. */
export type PayloadScan = (at: RecordPlace, columns: ScannedColumns, row: number) => boolean

/** What values are scanned into. */
export interface ScanTarget {
  /** What the topology's schema accepts. */
  readonly plain: PlainObject
  /** The schema, bound to the columns. */
  readonly bound: Bound
}

/**
 * Most values that one record may make: fields, items, and the objects and lists that have them. A
 * schema can make any number of them of a few bytes.
 */
export const MOST_VALUES = 2 ** 16

/** Why a record that makes more is not decoded. */
export function tooManyValues(): string {
  return `it has more than ${MOST_VALUES.toLocaleString('en')} values`
}

/** A value that is not as its schema says. @param why without any of the value's content */
export function invalidPayload(why: string, cause?: unknown): TidemarkError {
  return new TidemarkError('PAYLOAD_INVALID', why, { cause })
}

/** The most of a library's message: it may quote the schema. */
const MOST_WORDS = 200

/** A schema whose values cannot be decoded. @param cause what the library threw */
export function unusableSchema(what: string, cause: unknown): TidemarkError {
  const why = messageOf(cause)
  const short = why.length <= MOST_WORDS ? why : `${why.slice(0, MOST_WORDS)}…`
  return new TidemarkError('SCHEMA_UNUSABLE', `${what}: ${short}`, { cause })
}
