import { isUtf8 } from 'node:buffer'
import { checkedBy } from '../../topology/schema.ts'
import type { CloudEvent, SourcePartition, SourceRecord } from '../../topology/source.ts'
import type { RecordDecoder } from '../event-maker.ts'
import type { FormatSource, RawRecord } from '../format.ts'
import { GivenRecord } from '../given-record.ts'
import { notUtf8, parseJson } from '../json/event-decoder.ts'
import { LIMITS } from '../json/limits.ts'
import { valueOf } from '../record-value.ts'
import { invalidPayload } from '../registry/payload-decoder.ts'
import { type Attributes, eventOf, setAttribute } from './attributes.ts'
import { isJson, isText, mediaTypeOf } from './media-type.ts'

// CloudEvents 1.0.2 over Kafka: the Kafka protocol binding, section 3, and the JSON event format.
// https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents

const STRUCTURED = 'application/cloudevents'
const JSON_FORMAT = 'application/cloudevents+json'
/** What precedes the name of an attribute in the name of its header. */
const PREFIX = 'ce_'
const JSON_TYPE = 'application/json'

/** Decodes records that are CloudEvents, in structured or binary mode. */
export class CloudEventDecoder implements RecordDecoder {
  readonly #schema: FormatSource['schema']

  constructor({ schema }: Pick<FormatSource, 'schema'>) {
    this.#schema = schema
  }

  /**
   * @throws TidemarkError the first of: `NULL_KEY` · `RECORD_TOO_LARGE` · the codes of a value that
   * is not JSON · `PAYLOAD_INVALID`: it is no CloudEvent · `SCHEMA_INVALID`, `FUNCTION_THREW` (in
   * the schema of the data)
   */
  decode(record: RawRecord, from: SourcePartition): unknown {
    const value = valueOf(record, LIMITS.bytes)
    const given = new GivenRecord(record, from)
    const contentType = given.header('content-type')
    const isStructured = contentType?.toLowerCase().startsWith(STRUCTURED) === true
    const event = isStructured
      ? structuredEvent(value, contentType)
      : binaryEvent(value, given, contentType)
    return checkedBy(this.#schema, event)
  }
}

/** Attributes are in headers, and the value is the data. */
function binaryEvent(
  value: Buffer,
  { headers }: SourceRecord,
  contentType: string | undefined,
): CloudEvent<unknown> {
  const attributes: Attributes = new Map()
  for (const { name, value: text } of headers) {
    if (!name.startsWith(PREFIX)) continue
    if (!isUtf8(text)) throw invalidPayload('an attribute of the CloudEvent is not UTF-8')
    setAttribute(attributes, name.slice(PREFIX.length), text.toString('utf8'))
  }
  if (attributes.size === 0) {
    const what = `the record is no CloudEvent: it has neither the content-type ${JSON_FORMAT} nor headers that begin with ${PREFIX}`
    throw invalidPayload(what)
  }
  if (contentType !== undefined) attributes.set('datacontenttype', contentType)
  return eventOf(attributes, dataIn(value, contentType ?? JSON_TYPE))
}

/** Attributes and data are in one JSON object. */
function structuredEvent(value: Buffer, contentType: string): CloudEvent<unknown> {
  if (mediaTypeOf(contentType) !== JSON_FORMAT) {
    throw invalidPayload(`the CloudEvent is in another format than ${JSON_FORMAT}`)
  }
  const envelope = parseJson(value)
  if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) {
    throw invalidPayload('the CloudEvent is no JSON object')
  }
  const { data, data_base64: base64, ...given } = envelope as Record<string, unknown>
  const attributes: Attributes = new Map()
  for (const [name, attribute] of Object.entries(given)) setAttribute(attributes, name, attribute)
  const type = attributes.get('datacontenttype')
  if (base64 === undefined) return eventOf(attributes, memberOf(data, type ?? JSON_TYPE))
  if (data !== undefined) throw invalidPayload('the CloudEvent has both data and data_base64')
  const bytes = bytesOf(base64)
  return eventOf(attributes, type === undefined ? bytes : dataIn(bytes, type))
}

/** Bytes as their media type says. */
function dataIn(bytes: Buffer, contentType: string): unknown {
  if (isJson(contentType)) return parseJson(bytes)
  if (!isText(contentType)) return bytes
  if (!isUtf8(bytes)) throw notUtf8(bytes)
  return bytes.toString('utf8')
}

/** The member `data`: a JSON value, or else the text of the data. */
function memberOf(data: unknown, contentType: string): unknown {
  if (data === undefined || typeof data === 'string' || isJson(contentType)) return data
  throw invalidPayload('data is not text, and its datacontenttype is not JSON')
}

function bytesOf(base64: unknown): Buffer {
  const isBase64 = typeof base64 === 'string' && base64.length % 4 === 0 && BASE64.test(base64)
  if (!isBase64) throw invalidPayload('data_base64 is not Base64')
  return Buffer.from(base64, 'base64')
}

/** RFC 4648, section 4. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
