import { expect, test } from 'vitest'
import { protobufDecoder } from '../../../src/formats/protobuf/protobuf-decoder.ts'
import { protobufEncoder } from '../../../src/formats/protobuf/protobuf-encoder.ts'
import { thrownIn } from '../../support/thrown.ts'
import { registered } from '../registry/registered.ts'

const FILE = `syntax = "proto3";
  package shop;
  import "google/protobuf/timestamp.proto";
  message Refund { string id = 1; message Reason { string text = 1; } }
  message Payment {
    string card_id = 1; double amount = 2; int64 paid_at = 3; uint32 count = 4;
    optional string note = 5; bytes raw = 6; Way way = 7; bool is_new = 8;
    repeated Item items = 9; map<string, int32> points = 10; map<int64, bool> by_number = 11;
    oneof how { string iban = 12; Item thing = 13; }
    google.protobuf.Timestamp at = 14; float share = 15;
    enum Way { WEB = 0; SHOP = 1; }
    message Item { double price = 1; }
  }`
const schema = registered('protobuf', FILE)
const { encode, type } = protobufEncoder(schema, 'Payment')
const { decode } = protobufDecoder(schema)
const back = (value: unknown) => decode(Buffer.from(encode(value)))

const NOTHING = {
  cardId: '',
  amount: 0,
  paidAt: 0,
  count: 0,
  raw: Buffer.alloc(0),
  way: 'WEB',
  isNew: false,
  items: [],
  points: {},
  byNumber: {},
  share: 0,
}

test('a message is what the reading side makes of it', () => {
  const payment = {
    cardId: 'c',
    amount: 1.5,
    paidAt: Number.MAX_SAFE_INTEGER,
    count: 2 ** 32 - 1,
    note: '',
    raw: Buffer.of(1, 2),
    way: 'SHOP',
    isNew: true,
    items: [{ price: 1 }, { price: 2 }],
    points: { a: 1, b: -2 },
    byNumber: { 12: true },
    thing: { price: 5 },
    at: { seconds: 5, nanos: 1 },
    share: 0.5,
  }
  expect(back(payment)).toEqual({ value: payment, type: 'shop.Payment' })
  expect(type).toBe('shop.Payment')
})

test('what is missing or null has no value', () => {
  const empty = { note: null, amount: undefined, thing: null, at: null }
  expect(back(empty).value).toEqual(NOTHING)
})

test.each([
  [{ cardId: 5 }, 'field cardId must be text, got number'],
  [{ cardId: '\udc00' }, 'field cardId must be text, got string'],
  [{ amount: '1.5' }, 'field amount must be a number, got string'],
  [{ paidAt: 0.5 }, 'field paidAt must be a whole number from -9007199254740991 to'],
  [{ count: -1 }, 'field count must be a whole number from 0 to 4294967295, got number'],
  [{ way: 'MAIL' }, 'field way must be one of WEB, SHOP, got string'],
  [{ raw: 'AAE=' }, 'field raw must be a Buffer, got string'],
  [{ isNew: 1 }, 'field isNew must be true or false, got number'],
  [{ items: [{}, { price: 'x' }] }, 'field items[1].price must be a number, got string'],
  [{ items: [null] }, 'field items[0] must be an object, got null'],
  [{ points: { a: 0.5 } }, 'field points.… must be a whole number'],
  [{ byNumber: { one: true } }, 'field byNumber.… must be a name that is a number (int64)'],
  [{ iban: 'x', thing: {} }, 'field thing cannot have a value beside iban'],
  [{ card_id: 'c' }, 'field card_id is not in the schema'],
  [{ thing: { cents: 1 } }, 'field thing.cents is not in the schema'],
])('%j does not fit, and the message says where and why, without the value', (change, message) => {
  const fault = thrownIn(() => encode({ cardId: 'c', ...change }))
  expect(fault.code).toBe('OUTPUT_INVALID')
  expect(fault.message).toContain(message)
  expect(fault.message).toContain('(Protobuf message shop.Payment)')
})

test('a field that proto2 requires must have a value', () => {
  const text = 'syntax = "proto2"; message A { required string id = 1; }'
  const one = protobufEncoder(registered('protobuf', text), null)
  expect(thrownIn(() => one.encode({})).message).toContain('field id is required')
})

test.each([
  ['Refund', [0], 'shop.Refund'],
  ['shop.Payment', [2, 2], 'shop.Payment'],
  ['Reason', [4, 0, 0], 'shop.Refund.Reason'],
  ['Payment.Item', [4, 2, 0], 'shop.Payment.Item'],
])('message %s is led to by the indexes %j', (name, indexes, fullName) => {
  const of = protobufEncoder(schema, name)
  const bytes = Buffer.from(of.encode({}))
  expect([...bytes]).toEqual(indexes)
  expect(decode(bytes).type).toBe(fullName)
})

test.each([
  [FILE, null, 'name the message that is written: it has shop.Refund, shop.Refund.Reason, shop'],
  [FILE, 'Order', 'no message is named "Order": it has shop.Refund'],
  ['syntax = "proto3";', null, 'it has no message'],
  [
    'syntax="proto3"; message A { message X {} } message B { message X {} }',
    'X',
    'more than one message is named "X": it has A, A.X, B, B.X',
  ],
  ['syntax="proto3"; message A { B b = 1; }', null, "no such Type or Enum 'B'"],
])('%j has no message %j to write, and it is said why', (text, message, why) => {
  expect(() => protobufEncoder(registered('protobuf', text), message)).toThrow(why)
})
