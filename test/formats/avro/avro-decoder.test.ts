import avro, { type Schema } from 'avsc'
import { expect, test } from 'vitest'
import { avroDecoder } from '../../../src/formats/avro/avro-decoder.ts'
import { thrownIn } from '../../support/thrown.ts'
import { registered } from '../registry/registered.ts'

const PAYMENT = {
  type: 'record',
  name: 'Payment',
  namespace: 'shop',
  fields: [
    { name: 'cardId', type: 'string' },
    { name: 'amount', type: 'double' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
}

/** Every value is decoded. */
const DECODED = { reader: null, target: null }

function bytesOf(schema: unknown, value: unknown): Buffer {
  return avro.Type.forSchema(schema as Schema).toBuffer(value)
}

function decoder(schema: unknown, reader: unknown = null) {
  return avroDecoder(registered('avro', JSON.stringify(schema)), { reader, target: null })
}

test('a record is an object with its full name as type', () => {
  const payment = { cardId: 'c', amount: 1.5, note: null }
  const { value, type } = decoder(PAYMENT).decode(bytesOf(PAYMENT, payment))
  expect({ ...(value as object) }).toEqual(payment)
  expect(type).toBe('shop.Payment')
})

test('of several records in one schema, the one that is there is the event', () => {
  const refund = { type: 'record', name: 'Refund', fields: [{ name: 'of', type: 'string' }] }
  const either = [PAYMENT, refund]
  const { value, type } = decoder(either).decode(bytesOf(either, { Refund: { of: 'p1' } }))
  expect({ ...(value as object) }).toEqual({ of: 'p1' })
  expect(type).toBe('Refund')
})

test('a type may come from a reference', () => {
  const money = { type: 'record', name: 'Money', fields: [{ name: 'cents', type: 'long' }] }
  const price = { type: 'record', name: 'Price', fields: [{ name: 'is', type: 'Money' }] }
  const whole = { ...price, fields: [{ name: 'is', type: money }] }
  const references = [{ name: 'Money', text: JSON.stringify(money) }]
  const { decode } = avroDecoder(registered('avro', JSON.stringify(price), references), DECODED)
  expect(decode(bytesOf(whole, { is: { cents: 5 } })).value).toMatchObject({ is: { cents: 5 } })
})

test("a value is resolved to the reader's schema: names and aliases, defaults, promotions", () => {
  const reader = {
    ...PAYMENT,
    fields: [
      { name: 'card', aliases: ['cardId'], type: 'string' },
      { name: 'amount', type: 'double' },
      { name: 'currency', type: 'string', default: 'EUR' },
    ],
  }
  const written = {
    ...PAYMENT,
    fields: [PAYMENT.fields[0], { name: 'amount', type: 'int' }, PAYMENT.fields[2]],
  }
  const value = bytesOf(written, { cardId: 'c', amount: 7, note: null })
  const decoded = decoder(written, reader).decode(value).value as object
  expect({ ...decoded }).toEqual({ card: 'c', amount: 7, currency: 'EUR' })
})

test("a schema that cannot be resolved to the reader's is unusable", () => {
  const reader = { ...PAYMENT, fields: [{ name: 'other', type: 'string' }] }
  expect(thrownIn(() => decoder(PAYMENT, reader))).toMatchObject({ code: 'SCHEMA_UNUSABLE' })
})

test.each(['{"type":"record"}', '{', '"Unknown"'])('%s is unusable as a schema', (text) => {
  const unusable = thrownIn(() => avroDecoder(registered('avro', text), DECODED))
  expect(unusable).toMatchObject({ code: 'SCHEMA_UNUSABLE' })
})

test('a primitive type may be registered as its bare name', () => {
  const { decode } = avroDecoder(registered('avro', 'string'), DECODED)
  expect(decode(bytesOf('string', 'hello'))).toEqual({ value: 'hello', type: null })
})

const WHOLE = bytesOf(PAYMENT, { cardId: 'secret', amount: 1.5, note: 'x' })
test.each([
  ['cut off', WHOLE.subarray(0, -1)],
  ['longer than the value', Buffer.concat([WHOLE, WHOLE])],
  ['empty', Buffer.alloc(0)],
])('bytes that are %s are a fault without their content', (_, payload) => {
  const fault = thrownIn(() => decoder(PAYMENT).decode(payload))
  expect(fault).toMatchObject({ code: 'PAYLOAD_INVALID' })
  expect(fault.message).not.toContain('secret')
})

/** A long in zigzag and varint, whatever a number can hold. */
function longBytes(long: bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, (long << 1n) ^ (long >> 63n))
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

test.each([-(2n ** 52n), -(2n ** 52n) + 1n, -1n, 0n, 2n ** 53n - 2n])('%d is a number', (long) => {
  const { decode } = avroDecoder(registered('avro', '"long"'), DECODED)
  expect(decode(longBytes(long)).value).toBe(Number(long))
})

test.each([
  -(2n ** 52n) - 1n,
  -(2n ** 52n) - 2n,
  -(2n ** 53n) + 1n,
  -(2n ** 63n),
  2n ** 53n,
  2n ** 63n - 1n,
])('%d is a fault, since a number cannot hold it or avsc misreads it', (long) => {
  const { decode } = avroDecoder(registered('avro', '"long"'), DECODED)
  expect(thrownIn(() => decode(longBytes(long)))).toMatchObject({ code: 'PAYLOAD_INVALID' })
})
