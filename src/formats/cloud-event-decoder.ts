import { isUtf8 } from 'node:buffer'
import { isoTimeMs } from '../kernel/iso-time.ts'
import type { CloudEvent, SourcePartition, SourceRecord } from '../topology/source.ts'
import type { RawRecord } from './format.ts'
import { notUtf8, parseJson } from './json/parse-json.ts'
import { invalidPayload } from './payload.ts'
import { GivenRecord, valueOf } from './record-decoding.ts'

// CloudEvents 1.0.2 over Kafka: the Kafka protocol binding, section 3, and the JSON event format.
// https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents

const STRUCTURED = 'application/cloudevents'
const JSON_FORMAT = 'application/cloudevents+json'
/** Begins the name of a header that is an attribute. */
const PREFIX = 'ce_'
const JSON_TYPE = 'application/json'

/**
 * A CloudEvent in structured or binary mode. Its data is not validated.
 * @throws TidemarkError the first of: `NULL_KEY` · `RECORD_TOO_LARGE` · the codes of parseJson ·
 * `PAYLOAD_INVALID`: it is not a CloudEvent
 */
export function cloudEventIn(record: RawRecord, from: SourcePartition): CloudEvent<unknown> {
  const value = valueOf(record)
  const sourceRecord = new GivenRecord(record, from)
  const contentType = sourceRecord.header('content-type')
  return contentType?.toLowerCase().startsWith(STRUCTURED)
    ? structuredEvent(value, contentType)
    : binaryEvent(value, sourceRecord, contentType)
}

function binaryEvent(value: Buffer, { headers }: SourceRecord, contentType: string | undefined) {
  const attributes: Attributes = new Map()
  for (const { name, value: text } of headers) {
    if (!name.startsWith(PREFIX)) continue
    if (!isUtf8(text)) throw invalidPayload('an attribute of the CloudEvent is not UTF-8')
    setAttribute(attributes, name.slice(PREFIX.length), text.toString('utf8'))
  }
  if (attributes.size === 0) {
    const message = `the record is no CloudEvent: it has neither the content-type ${JSON_FORMAT} nor headers that begin with ${PREFIX}`
    throw invalidPayload(message)
  }
  if (contentType !== undefined) attributes.set('datacontenttype', contentType)
  return eventOf(attributes, dataIn(value, contentType ?? JSON_TYPE))
}

function structuredEvent(value: Buffer, contentType: string): CloudEvent<unknown> {
  if (mediaTypeOf(contentType) !== JSON_FORMAT) {
    throw invalidPayload(`the CloudEvent is in another format than ${JSON_FORMAT}`)
  }
  const envelope = parseJson(value)
  if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) {
    throw invalidPayload('the CloudEvent is no JSON object')
  }
  const { data, data_base64: base64, ...members } = envelope as Record<string, unknown>
  const attributes: Attributes = new Map()
  for (const [name, attribute] of Object.entries(members)) setAttribute(attributes, name, attribute)
  const type = attributes.get('datacontenttype')
  if (base64 === undefined) return eventOf(attributes, memberOf(data, type ?? JSON_TYPE))
  if (data !== undefined) throw invalidPayload('the CloudEvent has both data and data_base64')
  const bytes = bytesOf(base64)
  return eventOf(attributes, type === undefined ? bytes : dataIn(bytes, type))
}

function dataIn(bytes: Buffer, contentType: string): unknown {
  if (isJson(contentType)) return parseJson(bytes)
  if (!isText(contentType)) return bytes
  if (!isUtf8(bytes)) throw notUtf8(bytes)
  return bytes.toString('utf8')
}

/** The member `data`: any JSON value, or the text of other data. */
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

/** The media type (RFC 2045) in lower case, without its parameters. */
function mediaTypeOf(contentType: string): string {
  return contentType.replace(/;.*$/s, '').trim().toLowerCase()
}

/** JSON event format 1.0.2, section 3.1.1: a subtype of `json`, or `…+json`. */
function isJson(contentType: string): boolean {
  return /^[^/]+\/(?:.+\+)?json$/.test(mediaTypeOf(contentType))
}

function isText(contentType: string): boolean {
  return /^text\/|^[^/]+\/(?:.+\+)?xml$/.test(mediaTypeOf(contentType))
}

type Attributes = Map<string, string>

/** All others are extensions. */
const CORE: ReadonlySet<string> = new Set([
  ...['specversion', 'id', 'source', 'type'],
  ...['time', 'subject', 'datacontenttype', 'dataschema'],
])
/** CloudEvents 1.0.2, section 3.1. */
const NAME = /^[a-z0-9]+$/

/** Sets an attribute from its JSON value. @throws TidemarkError `PAYLOAD_INVALID` */
function setAttribute(attributes: Attributes, name: string, value: unknown): void {
  // Unset attributes may be `null` (JSON event format 1.0.2, section 2.2).
  if (value === null) return
  if (!NAME.test(name)) throw invalidPayload("an attribute's name has more than a to z and 0 to 9")
  if (typeof value === 'string') attributes.set(name, value)
  else if (CORE.has(name)) throw invalidPayload(`the attribute ${name} is not text`)
  else if (typeof value === 'boolean' || Number.isSafeInteger(value))
    attributes.set(name, JSON.stringify(value))
  else throw invalidPayload('an extension is neither text, nor a whole number, nor a boolean')
}

/** @throws TidemarkError `PAYLOAD_INVALID`: an attribute is missing or invalid */
function eventOf<D>(attributes: Attributes, data: D): CloudEvent<D> {
  if (attributes.get('specversion') !== '1.0') throw invalidPayload('specversion is not 1.0')
  const optional = (name: string) => attributes.get(name) ?? null
  const required = (name: string) => {
    const value = attributes.get(name) ?? ''
    if (value !== '') return value
    throw invalidPayload(`the attribute ${name} is missing or empty`)
  }
  const [id, source, type] = [required('id'), required('source'), required('type')]
  const time = optional('time')
  const timeMs = time === null ? null : isoTimeMs(time)
  if (Number.isNaN(timeMs)) {
    throw invalidPayload('the attribute time is not a timestamp of RFC 3339')
  }
  return {
    ...{ id, source, type, timeMs },
    subject: optional('subject'),
    dataContentType: optional('datacontenttype'),
    dataSchema: optional('dataschema'),
    extensions: Object.fromEntries([...attributes].filter(([name]) => !CORE.has(name))),
    data,
  }
}
