import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { protobufDecoder } from '../../../src/formats/protobuf/protobuf-decoder.ts'
import { thrownIn } from '../../support/thrown.ts'
import { registered } from '../registry/registered.ts'

const SHOP = `
  syntax = "proto3";
  package shop;
  import "google/protobuf/timestamp.proto";
  message Ping {}
  message Payment {
    message Line { message Part { int32 n = 1; } string item = 1; }
    enum Kind { UNKNOWN = 0; CARD = 1; }
    string card_id = 1;
    int64 paid_at = 2;
    double amount = 3;
    Kind kind = 4;
    optional string note = 5;
    Line line = 6;
    repeated uint64 counts = 7;
    map<string, int64> by_name = 8;
    oneof how { string code = 9; int32 slot = 10; }
    google.protobuf.Timestamp at = 11;
  }`
const FIRST = [2, 2]

function encoded(name: string, value: object, text = SHOP): Buffer {
  const { root } = protobuf.parse(text)
  const timestamp = protobuf.common.get('google/protobuf/timestamp.proto')
  root.addJSON(timestamp?.nested ?? {})
  const type = root.lookupType(name)
  return Buffer.from(type.encode(type.fromObject(value)).finish())
}

function decode(bytes: readonly number[], message: Buffer) {
  const { decode: decodeValue } = protobufDecoder(registered('protobuf', SHOP))
  return decodeValue(Buffer.concat([Buffer.from(bytes), message]))
}

test('a message is an object with names in lowerCamelCase, numbers, and enums by name', () => {
  const value = {
    cardId: 'c',
    paidAt: 1_731_700_000_123,
    amount: 1.5,
    kind: 'CARD',
    line: { item: 'tea' },
    counts: [1, 2],
    byName: { a: 3 },
    slot: 4,
    at: { seconds: 5, nanos: 6 },
  }
  expect(decode(FIRST, encoded('shop.Payment', value))).toEqual({ value, type: 'shop.Payment' })
})

test('fields without a value have their default, unless they may be absent', () => {
  expect(decode(FIRST, Buffer.alloc(0)).value).toEqual({
    cardId: '',
    paidAt: 0,
    amount: 0,
    kind: 'UNKNOWN',
    counts: [],
    byName: {},
  })
})

test('the indexes before the message tell its type', () => {
  expect(decode([0], Buffer.alloc(0))).toEqual({ value: {}, type: 'shop.Ping' })
  const line = encoded('shop.Payment.Line', { item: 'tea' })
  expect(decode([4, 2, 0], line)).toEqual({ value: { item: 'tea' }, type: 'shop.Payment.Line' })
  const part = encoded('shop.Payment.Line.Part', { n: 3 })
  expect(decode([6, 2, 0, 0], part)).toEqual({ value: { n: 3 }, type: 'shop.Payment.Line.Part' })
})

test.each([
  ['a message that the file does not have', [2, 8], ''],
  ['a nested one that its message does not have', [4, 0, 0], ''],
  ['no message', [], ''],
  ['a message that is cut off', FIRST, '0aff'],
])('%s is a fault', (_, indexes, hex) => {
  const fault = thrownIn(() => decode(indexes, Buffer.from(hex, 'hex')))
  expect(fault).toMatchObject({ code: 'PAYLOAD_INVALID' })
})

test('a 64-bit number beyond ±(2^53 − 1) is a fault, also one in a list', () => {
  for (const value of [{ paidAt: '9007199254740993' }, { counts: ['18446744073709551615'] }]) {
    const fault = thrownIn(() => decode(FIRST, encoded('shop.Payment', value)))
    expect(fault).toMatchObject({ code: 'PAYLOAD_INVALID' })
  }
})

test('a file may import others, of its own package too', () => {
  const money = 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }'
  const price =
    'syntax = "proto3"; package shop; import "money.proto"; message Price { Money is = 1; }'
  const references = [{ name: 'money.proto', text: money }]
  const { decode: decodeValue } = protobufDecoder(registered('protobuf', price, references))
  expect(decodeValue(Buffer.from('000a020805', 'hex'))).toEqual({
    value: { is: { cents: 5 } },
    type: 'shop.Price',
  })
})

test("a reference to one of Protobuf's own files, as Java registers it, does no harm", () => {
  const text =
    'syntax = "proto3"; package google.protobuf; message Timestamp { int64 seconds = 1; }'
  const references = [{ name: 'google/protobuf/timestamp.proto', text }]
  const { decode: decodeValue } = protobufDecoder(registered('protobuf', SHOP, references))
  const payment = encoded('shop.Payment', { at: { seconds: 5, nanos: 6 } })
  expect(decodeValue(Buffer.concat([Buffer.from(FIRST), payment]))).toMatchObject({
    value: { at: { seconds: 5, nanos: 6 } },
  })
})

test('a file may be registered as its descriptor in base64, as Python does it', () => {
  // syntax = "proto3"; package shop; message Other { bool x = 1; } message Payment { string
  // payment_id = 1; int64 paid_at = 2; }
  const base64 =
    'Cg1wYXltZW50LnByb3RvEgRzaG9wIhIKBU90aGVyEgkKAXgYASABKAgiLgoHUGF5bWVudBISCgpwYXltZW50X2lkGAEgASgJEg8KB3BhaWRfYXQYAiABKANiBnByb3RvMw=='
  const { decode: decodeValue } = protobufDecoder(registered('protobuf', base64))
  expect(decodeValue(Buffer.from('02020a01611007', 'hex'))).toEqual({
    value: { paymentId: 'a', paidAt: 7 },
    type: 'shop.Payment',
  })
})

test.each([
  ['no schema', 'message {'],
  [
    'one that imports what it has no reference to',
    'syntax = "proto3"; import "x.proto"; message A { X x = 1; }',
  ],
])('%s is unusable', (_, text) => {
  const unusable = thrownIn(() => protobufDecoder(registered('protobuf', text)))
  expect(unusable).toMatchObject({ code: 'SCHEMA_UNUSABLE' })
})
