import avro, { type Schema } from 'avsc'
import { expect, test } from 'vitest'
import { openDecoder } from '../../../src/formats/registry/schemas.ts'
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

function bytesOf(schema: unknown, value: unknown): Buffer {
  return avro.Type.forSchema(schema as Schema).toBuffer(value)
}

function decoder(schema: unknown) {
  return openDecoder(registered('avro', JSON.stringify(schema)), null)
}

const WHOLE = bytesOf(PAYMENT, { cardId: 'secret', amount: 1.5, note: 'x' })
const SUIT = { type: 'enum', name: 'Suit', symbols: ['A', 'B'] }
const MAP = { type: 'map', values: 'int' }
const PROTO_MAP = Buffer.from([2, 18, ...Buffer.from('__proto__'), 2, 0])

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
  const { decode } = openDecoder(registered('avro', JSON.stringify(price), references), null)
  expect(decode(bytesOf(whole, { is: { cents: 5 } })).value).toMatchObject({ is: { cents: 5 } })
})

test.each(['{"type":"record"}', '{', '"Unknown"'])('%s is unusable as a schema', (text) => {
  const unusable = thrownIn(() => openDecoder(registered('avro', text), null))
  expect(unusable).toMatchObject({ code: 'SCHEMA_UNUSABLE' })
})

test('a primitive type may be registered as its bare name', () => {
  const { decode } = openDecoder(registered('avro', 'string'), null)
  expect(decode(bytesOf('string', 'hello'))).toEqual({ value: 'hello', type: null })
})

test.each([
  ['a value that is cut off', PAYMENT, WHOLE.subarray(0, -1), 'it is cut off'],
  ['more than a value', PAYMENT, Buffer.concat([WHOLE, Buffer.of(1, 2)]), '2 bytes follow it'],
  ['nothing', PAYMENT, Buffer.alloc(0), 'it is cut off'],
  ['a text that is not UTF-8', 'string', Buffer.of(4, 0x63, 0xff), 'a text is not UTF-8'],
  ['an int of 2^40', 'int', longBytes(2n ** 40n), 'an int has more than 32 bits'],
  ['a boolean of 7', 'boolean', Buffer.of(7), 'a boolean is neither 0 nor 1'],
  [
    'a type that a union lacks',
    ['null', 'int'],
    Buffer.of(4),
    'an index of 2 symbols or types is 2',
  ],
  ['a symbol that an enum lacks', SUIT, Buffer.of(3), 'an index of 2 symbols or types is -2'],
  ['the key __proto__', MAP, PROTO_MAP, 'a map has the key __proto__'],
] as const)('%s is a fault that says why, without the content', (...of) => {
  const [, schema, payload, why] = of
  const fault = thrownIn(() => decoder(schema).decode(payload))
  expect(fault).toMatchObject({
    code: 'PAYLOAD_INVALID',
    message: `the value does not match Avro schema 7: ${why}`,
  })
})

test('a schema that is nested too deep to be compiled is unusable', () => {
  const text = `${'{"type":"array","items":'.repeat(20_000)}"int"${'}'.repeat(20_000)}`
  expect(thrownIn(() => openDecoder(registered('avro', text), null))).toMatchObject({
    code: 'SCHEMA_UNUSABLE',
  })
})

test('a schema with a field named __proto__ is unusable', () => {
  const schema = { type: 'record', name: 'P', fields: [{ name: '__proto__', type: 'int' }] }
  expect(thrownIn(() => decoder(schema))).toMatchObject({
    code: 'SCHEMA_UNUSABLE',
    message: 'Avro schema 7 cannot be used: a field is named __proto__',
  })
})

const TIMES = {
  type: 'record',
  name: 'Times',
  fields: ['millis', 'micros', 'nanos'].map((unit) => ({
    name: unit,
    type: ['null', { type: 'long', logicalType: `timestamp-${unit}` }],
  })),
}

test('timestamps are ms since the epoch, whatever their unit, rounded down', () => {
  const times = (ms: bigint) =>
    Buffer.concat(
      [ms, ms * 1_000n + 999n, ms * 1_000_000n + 999_999n].flatMap((unit) => [
        Buffer.of(2),
        longBytes(unit),
      ]),
    )
  for (const ms of [1_767_225_600_123n, 0n, -1n]) {
    const value = decoder(TIMES).decode(times(ms)).value as object
    expect({ ...value }).toEqual({ millis: Number(ms), micros: Number(ms), nanos: Number(ms) })
  }
})

/** A long in zigzag and varint, whatever a number can hold. */
function longBytes(long: bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, (long << 1n) ^ (long >> 63n))
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

test.each([-(2n ** 52n), -(2n ** 52n) + 1n, -1n, 0n, 2n ** 53n - 2n])('%d is a number', (long) => {
  const { decode } = openDecoder(registered('avro', '"long"'), null)
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
  const { decode } = openDecoder(registered('avro', '"long"'), null)
  expect(thrownIn(() => decode(longBytes(long)))).toMatchObject({ code: 'PAYLOAD_INVALID' })
})
