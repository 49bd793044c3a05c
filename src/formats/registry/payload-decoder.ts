import { messageOf, TidemarkError } from '../../kernel/errors.ts'

/** Decodes the values that were written with one schema. */
export interface PayloadDecoder {
  /**
   * Decodes a value.
   * @param payload the record's value without the schema's id
   * @returns an object or another value, and the full name of its type; `null`: it has none
   * @throws TidemarkError one that makes the record a dead letter
   */
  readonly decode: (payload: Buffer) => { readonly value: unknown; readonly type: string | null }
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
