import * as fc from 'fast-check'
import { cloudEvents } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { recordDecoder } from '../../src/formats/open-format.ts'
import { thrownIn } from '../support/thrown.ts'

const Payment = z.object({ cardId: z.string(), amount: z.number() })
const PAYMENT = { cardId: 'c-1', amount: 5 }
const STRUCTURED = 'application/cloudevents+json; charset=UTF-8'
const ATTRIBUTES = {
  specversion: '1.0',
  id: 'e-1',
  source: '/shop',
  type: 'shop.paid',
  time: '2018-04-05T17:31:00Z',
}
const EVENT = {
  id: 'e-1',
  source: '/shop',
  type: 'shop.paid',
  timeMs: Date.UTC(2018, 3, 5, 17, 31),
  subject: null,
  dataContentType: null,
  dataSchema: null,
  extensions: {},
  data: PAYMENT,
}

type Headers = Readonly<Record<string, string>>

function decode(value: Buffer, headers: Headers, data: z.ZodType = Payment): unknown {
  const decoder = recordDecoder(cloudEvents(data))
  const record = {
    ...{ offset: 0, timestampMs: 0, key: Buffer.from('k'), value },
    headers: Object.entries(headers).map(([name, text]) => ({ name, value: Buffer.from(text) })),
  }
  return decoder(record, { topic: 'payments', partition: 0 })
}

/** In structured mode. */
const structured = (envelope: object, data?: z.ZodType) =>
  decode(Buffer.from(JSON.stringify(envelope)), { 'content-type': STRUCTURED }, data)

const prefixed = (attributes: Headers): Headers =>
  Object.fromEntries(Object.entries(attributes).map(([name, text]) => [`ce_${name}`, text]))

/** In binary mode. */
const binary = (value: Buffer | object, headers: Headers, data?: z.ZodType) =>
  decode(Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value)), headers, data)

describe('an event', () => {
  test('in structured mode has attributes and data of its JSON', () => {
    const optional = { subject: 's', dataschema: 'urn:s', datacontenttype: 'application/json' }
    const envelope = { ...ATTRIBUTES, ...optional, tenant: 'acme', data: PAYMENT }
    expect(structured(envelope)).toEqual({
      ...EVENT,
      subject: 's',
      dataSchema: 'urn:s',
      dataContentType: 'application/json',
      extensions: { tenant: 'acme' },
    })
  })

  test('in binary mode has attributes of its headers, and data of its value', () => {
    const headers = { ...prefixed({ ...ATTRIBUTES, tenant: 'acme' }), other: 'x' }
    const typed = { ...headers, 'content-type': 'application/json' }
    const extensions = { tenant: 'acme' }
    expect(binary(PAYMENT, headers)).toEqual({ ...EVENT, extensions })
    const dataContentType = 'application/json'
    expect(binary(PAYMENT, typed)).toEqual({ ...EVENT, extensions, dataContentType })
  })

  test('has no attribute that is null, or missing', () => {
    const { time: _, ...untimed } = ATTRIBUTES
    const envelope = { ...untimed, subject: null, tenant: null, data: PAYMENT }
    expect(structured(envelope)).toEqual({ ...EVENT, timeMs: null })
  })

  test('has extensions as text, whatever type they have in JSON', () => {
    const event = structured({ ...ATTRIBUTES, isnew: true, count: -17, data: PAYMENT })
    expect(event).toEqual({ ...EVENT, extensions: { isnew: 'true', count: '-17' } })
  })

  test('has data as its schema returns it', () => {
    const doubled = z.object({ amount: z.number().transform((n) => n * 2) })
    expect(structured({ ...ATTRIBUTES, data: PAYMENT }, doubled)).toEqual({
      ...EVENT,
      data: { amount: 10 },
    })
  })
})

describe('data', () => {
  const any = z.unknown()
  const dataOf = (event: unknown) => (event as { data: unknown }).data
  const bytes = Buffer.of(0, 255, 1)
  const typed = (datacontenttype: string) => ({ ...ATTRIBUTES, datacontenttype })
  const inBinary = (value: Buffer, type: string) =>
    dataOf(binary(value, { ...prefixed(ATTRIBUTES), 'content-type': type }, any))

  test('is JSON where its media type says so, or where there is none', () => {
    expect(inBinary(Buffer.from('[1]'), 'application/vnd.shop+json; v=1')).toEqual([1])
    expect(dataOf(structured({ ...ATTRIBUTES, data: '{"a":1}' }, any))).toBe('{"a":1}')
    expect(dataOf(structured({ ...typed('TEXT/JSON'), data: { a: 1 } }, any))).toEqual({ a: 1 })
  })

  test('is text where its media type is one of text, or of XML', () => {
    for (const type of ['text/plain', 'application/xml', 'application/soap+xml']) {
      expect(inBinary(Buffer.from('<é/>'), type)).toBe('<é/>')
      expect(dataOf(structured({ ...typed(type), data: '<é/>' }, any))).toBe('<é/>')
    }
  })

  test('is bytes in any other case', () => {
    expect(inBinary(bytes, 'application/octet-stream')).toEqual(bytes)
    const inBase64 = { data_base64: bytes.toString('base64') }
    expect(dataOf(structured({ ...typed('image/png'), ...inBase64 }, any))).toEqual(bytes)
    expect(dataOf(structured({ ...ATTRIBUTES, ...inBase64 }, any))).toEqual(bytes)
  })

  test('in Base64 is read as its media type says', () => {
    const inBase64 = { data_base64: Buffer.from('{"a":1}').toString('base64') }
    expect(dataOf(structured({ ...typed('application/json'), ...inBase64 }, any))).toEqual({ a: 1 })
    expect(dataOf(structured({ ...typed('text/plain'), ...inBase64 }, any))).toBe('{"a":1}')
  })

  test('is nothing where an event has none', () => {
    expect(dataOf(structured(ATTRIBUTES, any))).toBeUndefined()
  })
})

const without = (name: keyof typeof ATTRIBUTES) => {
  const { [name]: _, ...others } = ATTRIBUTES
  return { ...others, data: PAYMENT }
}

describe('is set aside', () => {
  const json = (text: string) => decode(Buffer.from(text), { 'content-type': STRUCTURED })
  const headers = prefixed(ATTRIBUTES)

  test.each<[string, () => unknown, readonly [code: string, message: string]]>([
    ['no CloudEvent', () => binary(PAYMENT, {}), ['PAYLOAD_INVALID', 'is no CloudEvent']],
    ['no id', () => structured(without('id')), ['PAYLOAD_INVALID', 'the attribute id is missing']],
    ['no source', () => structured(without('source')), ['PAYLOAD_INVALID', 'attribute source']],
    ['no type', () => structured(without('type')), ['PAYLOAD_INVALID', 'attribute type']],
    ['no version', () => structured(without('specversion')), ['PAYLOAD_INVALID', 'specversion']],
    [
      'an empty id',
      () => binary(PAYMENT, { ...headers, ce_id: '' }),
      ['PAYLOAD_INVALID', 'the attribute id is missing or empty'],
    ],
    [
      'another version',
      () => binary(PAYMENT, { ...headers, ce_specversion: '0.3' }),
      ['PAYLOAD_INVALID', 'specversion is not 1.0'],
    ],
    [
      'a time that is none',
      () => binary(PAYMENT, { ...headers, ce_time: 'noon' }),
      ['PAYLOAD_INVALID', 'the attribute time is not a timestamp of RFC 3339'],
    ],
    [
      'an id that is a number',
      () => structured({ ...ATTRIBUTES, id: 7 }),
      ['PAYLOAD_INVALID', 'the attribute id is not text'],
    ],
    [
      'an extension that is an object',
      () => structured({ ...ATTRIBUTES, ext: {} }),
      ['PAYLOAD_INVALID', 'an extension is neither text'],
    ],
    [
      'an extension with a name that is none',
      () => binary(PAYMENT, { ...headers, ce_Tenant: 'x' }),
      ['PAYLOAD_INVALID', "an attribute's name"],
    ],
    [
      'data twice',
      () => structured({ ...ATTRIBUTES, data: 1, data_base64: 'AA==' }),
      ['PAYLOAD_INVALID', 'both data and data_base64'],
    ],
    [
      'Base64 that is none',
      () => structured({ ...ATTRIBUTES, data_base64: 'A' }),
      ['PAYLOAD_INVALID', 'data_base64 is not Base64'],
    ],
    [
      'an object as data that is not JSON',
      () => structured({ ...ATTRIBUTES, datacontenttype: 'text/plain', data: {} }),
      ['PAYLOAD_INVALID', 'data is not text'],
    ],
    [
      'another event format',
      () => decode(Buffer.of(1), { 'content-type': 'application/cloudevents+avro' }),
      ['PAYLOAD_INVALID', 'in another format than application/cloudevents+json'],
    ],
    ['an envelope that is an array', () => json('[]'), ['PAYLOAD_INVALID', 'no JSON object']],
    ['an envelope that is broken', () => json('{'), ['JSON_INVALID', 'not JSON']],
    ['data that is broken', () => binary(Buffer.from('{'), headers), ['JSON_INVALID', 'not JSON']],
    [
      'text that is not UTF-8',
      () => binary(Buffer.of(0xff), { ...headers, 'content-type': 'text/plain' }),
      ['NOT_UTF8', 'not UTF-8'],
    ],
    [
      'data that the schema rejects',
      () => structured({ ...ATTRIBUTES, data: { cardId: 'c' } }),
      ['SCHEMA_INVALID', 'data.amount'],
    ],
  ])('what has %s', (_, work, [code, message]) => {
    const fault = thrownIn(work)
    expect([fault.code, fault.message]).toEqual([code, expect.stringContaining(message)])
  })
})

test('both modes make the same event of the same attributes and data', () => {
  const text = fc.string({ minLength: 1, unit: 'grapheme' })
  const attributes = fc.record(
    {
      ...{ specversion: fc.constant('1.0'), id: text, source: text, type: text },
      ...{ subject: text, dataschema: text, ext1: text },
      time: fc
        .date({ min: new Date(0), noInvalidDate: true, max: new Date('2099-01-01') })
        .map(String),
    },
    { requiredKeys: ['specversion', 'id', 'source', 'type'] },
  )
  const data = fc.record({ cardId: fc.string(), amount: fc.integer() })
  fc.assert(
    fc.property(attributes, data, ({ time, ...given }, value) => {
      const timed = time === undefined ? {} : { time: new Date(time).toISOString() }
      const all = { ...given, ...timed } as Headers
      const type = 'application/json'
      const whole = structured({ ...all, datacontenttype: type, data: value })
      expect(binary(value, { ...prefixed(all), 'content-type': type })).toEqual(whole)
    }),
  )
})
