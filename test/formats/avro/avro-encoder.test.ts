import { expect, test } from 'vitest'
import { avroDecoder } from '../../../src/formats/avro/avro-decoder.ts'
import { avroEncoder } from '../../../src/formats/avro/avro-encoder.ts'
import { thrownIn } from '../../support/thrown.ts'
import { registered } from '../registry/registered.ts'

const PAYMENT = {
  type: 'record',
  name: 'Payment',
  namespace: 'shop',
  fields: [
    { name: 'cardId', type: 'string' },
    { name: 'amount', type: 'double' },
    { name: 'paidAt', type: 'long' },
    { name: 'count', type: 'int', default: 1 },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'way', type: { type: 'enum', name: 'Way', symbols: ['WEB', 'SHOP'] }, default: 'WEB' },
    { name: 'raw', type: 'bytes', default: '' },
    { name: 'mac', type: { type: 'fixed', name: 'Mac', size: 2 }, default: '\u0000\u0001' },
    { name: 'tags', type: { type: 'map', values: 'string' }, default: {} },
    {
      name: 'items',
      type: {
        type: 'array',
        items: { type: 'record', name: 'Item', fields: [{ name: 'price', type: 'float' }] },
      },
      default: [],
    },
    { name: 'of', type: ['null', 'Item'], default: null },
    { name: 'either', type: ['null', 'int', 'double'], default: null },
  ],
}
const payment = { cardId: 'c', amount: 1.5, paidAt: 1_700_000_000_000 }

function coderOf(schema: unknown) {
  const of = registered('avro', JSON.stringify(schema))
  const { encode, type } = avroEncoder(of)
  const { decode } = avroDecoder(of, null)
  // Records of avsc have a class of their own.
  const back = (value: unknown) =>
    JSON.parse(JSON.stringify(decode(Buffer.from(encode(value))).value)) as unknown
  return { encode, type, back }
}

const { encode, back, type } = coderOf(PAYMENT)

test('a record has the full name of its schema', () => {
  expect(type).toBe('shop.Payment')
})

test('missing fields get their defaults', () => {
  expect(back(payment)).toMatchObject({
    ...payment,
    ...{ count: 1, note: null, way: 'WEB', tags: {}, items: [], of: null, either: null },
  })
})

test('a union with null takes plain values; one whose members are alike takes { type: value }', () => {
  const full = {
    ...payment,
    ...{ note: 'n', way: 'SHOP', tags: { a: 'b' }, items: [{ price: 0.5 }], of: { price: 2 } },
  }
  expect(back({ ...full, either: { int: 5 } })).toMatchObject({ ...full, either: { int: 5 } })
})

test('undefined is missing', () => {
  expect(back({ ...payment, note: undefined, other: undefined })).toMatchObject({ note: null })
})

test.each([
  [{ cardId: 5 }, 'field cardId must be text, got number'],
  [{ cardId: undefined }, 'field cardId must be text, got undefined'],
  [{ cardId: '\ud800' }, 'field cardId must be text, got string'],
  [{ amount: '1' }, 'field amount must be a number, got string'],
  [{ paidAt: 1.5 }, 'field paidAt must be a whole number from -4503599627370496 to'],
  [{ paidAt: 2 ** 53 }, 'field paidAt must be a whole number'],
  [{ count: 2 ** 31 }, 'field count must be a whole number from -2147483648 to 2147483647'],
  [{ note: 5 }, 'field note must be null or string, got number'],
  [{ way: 'MAIL' }, 'field way must be one of WEB, SHOP, got string'],
  [{ raw: 'x' }, 'field raw must be a Buffer, got string'],
  [{ mac: Buffer.of(1) }, 'field mac must be a Buffer of 2 bytes, got Uint8Array'],
  [{ tags: new Map([['a', 'b']]) }, 'field tags must be an object, got Map'],
  [{ of: new Date(0) }, 'field of must be null or shop.Item, got Date'],
  [{ tags: { 4711: 5 } }, 'field tags.… must be text, got number'],
  [{ items: [{ price: 1 }, { price: null }] }, 'field items[1].price must be a number, got null'],
  [{ items: {} }, 'field items must be an array, got object'],
  [{ of: { price: 'x' } }, 'field of.price must be a number, got string'],
  [{ either: 5 }, 'field either must be { "int": … } or { "double": … }, got number'],
  [{ either: { int: 'x' } }, 'field either.int must be a whole number'],
  [{ probabilty: 1 }, 'field probabilty is not in the schema'],
  [{ items: [{ price: 1, cents: 2 }] }, 'field items[0].cents is not in the schema'],
  [{ c4711001: 1 }, 'field … is not in the schema'],
])('%j does not fit, and the message says where and why, without the value', (change, message) => {
  const fault = thrownIn(() => encode({ ...payment, ...change }))
  expect(fault.code).toBe('OUTPUT_INVALID')
  expect(fault.message).toContain(message)
  expect(fault.message).toContain('(Avro schema shop.Payment)')
})

test.each([null, 5, [], Buffer.of(1)])('%j is no record', (value) => {
  expect(thrownIn(() => encode(value)).message).toContain('the value must be an object')
})

test('a schema may contain itself, a value may not', () => {
  const tree = {
    type: 'record',
    name: 'Tree',
    fields: [{ name: 'left', type: ['null', 'Tree'], default: null }],
  }
  const coder = coderOf(tree)
  expect(coder.back({ left: { left: {} } })).toEqual({ left: { left: { left: null } } })
  const circle: { left?: unknown } = {}
  circle.left = circle
  expect(thrownIn(() => coder.encode(circle)).message).toContain('the value cannot be written')
})

test('several records in one schema are told apart by their names', () => {
  const refund = { type: 'record', name: 'Refund', fields: [{ name: 'of', type: 'string' }] }
  const coder = coderOf([PAYMENT, refund])
  expect(coder.type).toBeNull()
  expect(coder.back({ Refund: { of: 'p' } })).toEqual({ of: 'p' })
  expect(thrownIn(() => coder.encode({ of: 'p' })).message).toContain(
    'the value must be { "shop.Payment": … } or { "Refund": … }',
  )
})

test.each([
  ['', 'invalid name'],
  ['{', 'JSON'],
  ['{"type":"record"}', 'fields'],
  ['no-such-type', 'invalid name'],
])('%j is no Avro schema', (text, why) => {
  expect(() => avroEncoder(registered('avro', text))).toThrow(why)
})

test('timestamps are written from ms, in the unit of their schema', () => {
  const fields = ['millis', 'micros', 'nanos'].map((unit) => ({
    name: unit,
    type: { type: 'long', logicalType: `timestamp-${unit}` },
  }))
  const coder = coderOf({ type: 'record', name: 'Times', fields })
  const times = { millis: 1_767_225_600_123, micros: 1_767_225_600_123, nanos: -1 }
  expect(coder.back(times)).toEqual(times)
  const beyond = { ...times, nanos: 9_300_000_000_000 }
  expect(thrownIn(() => coder.encode(beyond)).message).toContain(
    'field nanos must be a whole number',
  )
})
