import type { CloudEvent } from '../../topology/source.ts'
import { invalidPayload } from '../registry/payload-decoder.ts'
import { timestampMs } from './timestamp.ts'

/** The attributes of an event as text, by name. */
export type Attributes = Map<string, string>

/** Attributes that the specification defines: all others are extensions. */
const CORE: ReadonlySet<string> = new Set([
  ...['specversion', 'id', 'source', 'type'],
  ...['time', 'subject', 'datacontenttype', 'dataschema'],
])
/** CloudEvents 1.0.2, section 3.1. */
const NAME = /^[a-z0-9]+$/

/**
 * Sets an attribute from its JSON value, by the type system of CloudEvents.
 * @throws TidemarkError `PAYLOAD_INVALID`: no such attribute can be
 */
export function setAttribute(attributes: Attributes, name: string, value: unknown): void {
  // Unset attributes may be `null` (JSON event format 1.0.2, section 2.2).
  if (value === null) return
  if (!NAME.test(name)) throw invalidPayload("an attribute's name has more than a to z and 0 to 9")
  if (typeof value === 'string') attributes.set(name, value)
  else if (CORE.has(name)) throw invalidPayload(`the attribute ${name} is not text`)
  else if (typeof value === 'boolean' || isInteger(value)) attributes.set(name, String(value))
  else throw invalidPayload('an extension is neither text, nor a whole number, nor a boolean')
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

/**
 * The event with these attributes and data.
 * @throws TidemarkError `PAYLOAD_INVALID`: an attribute is missing or not as it must be
 */
export function eventOf<D>(attributes: Attributes, data: D): CloudEvent<D> {
  if (attributes.get('specversion') !== '1.0') throw invalidPayload('specversion is not 1.0')
  const optional = (name: string) => attributes.get(name) ?? null
  return {
    id: required(attributes, 'id'),
    source: required(attributes, 'source'),
    type: required(attributes, 'type'),
    timeMs: timeOf(optional('time')),
    subject: optional('subject'),
    dataContentType: optional('datacontenttype'),
    dataSchema: optional('dataschema'),
    extensions: Object.fromEntries([...attributes].filter(([name]) => !CORE.has(name))),
    data,
  }
}

function required(attributes: Attributes, name: string): string {
  const value = attributes.get(name)
  if (value === undefined || value === '') {
    throw invalidPayload(`the attribute ${name} is missing or empty`)
  }
  return value
}

function timeOf(text: string | null): number | null {
  if (text === null) return null
  const timeMs = timestampMs(text)
  if (timeMs === null) throw invalidPayload('the attribute time is not a timestamp of RFC 3339')
  return timeMs
}
