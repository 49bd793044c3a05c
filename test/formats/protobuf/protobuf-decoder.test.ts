import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'
import { expect, test } from 'vitest'
import { protobufDecoder } from '../../../src/formats/protobuf/protobuf-decoder.ts'
import { openDecoder } from '../../../src/formats/registry/schemas.ts'
import { cpuMsOf } from '../../support/cpu.ts'
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
  const unusable = thrownIn(() => openDecoder(registered('protobuf', text), null))
  expect(unusable).toMatchObject({ code: 'SCHEMA_UNUSABLE' })
})

const IN_MANY = 'syntax = "proto3"; message Wide { FIELDS } message M { repeated Wide w = 1; }'

test('a record that makes more than 65,536 values is a fault, before they are made', () => {
  const fields = Array.from({ length: 300 }, (_, i) => `double f${i} = ${i + 1};`).join(' ')
  const { decode: decodeValue } = protobufDecoder(
    registered('protobuf', IN_MANY.replace('FIELDS', fields)),
  )
  const empty = (count: number) =>
    Buffer.concat([Buffer.of(2, 2), Buffer.alloc(2 * count, Buffer.of(10, 0))])
  const { w } = decodeValue(empty(200)).value as { w: unknown[] }
  expect(w).toHaveLength(200)
  const fault = thrownIn(() => decodeValue(empty(100_000)))
  expect(fault.message).toBe(
    'the value does not match M of Protobuf schema 7: it has more than 65,536 values',
  )
})

test.each([
  ['a text that is not UTF-8', Buffer.of(10, 1, 0xff), 'a text is not UTF-8'],
  [
    'the key __proto__',
    Buffer.from([66, 13, 10, 9, ...Buffer.from('__proto__'), 16, 1]),
    'a map has the key __proto__',
  ],
  ['a field of a wire type that is none', Buffer.of(15), 'a field has the wire type 7'],
])('%s is a fault that says why', (_, message, why) => {
  const fault = thrownIn(() => decode(FIRST, message))
  expect(fault.message).toBe(`the value does not match shop.Payment of Protobuf schema 7: ${why}`)
})

test('messages that hold each other are decoded 32 deep', () => {
  const text = 'syntax = "proto3"; message M { M m = 1; }'
  const { decode: decodeValue } = protobufDecoder(registered('protobuf', text))
  const nested = (levels: number) => {
    let message = Buffer.alloc(0)
    for (let i = 1; i < levels; i++) message = Buffer.from([10, message.length, ...message])
    return Buffer.concat([Buffer.of(0), message])
  }
  expect(decodeValue(nested(32)).type).toBe('M')
  expect(thrownIn(() => decodeValue(nested(33))).message).toContain('deeper than 32 levels')
})

test.each(['a.b', '__proto__'])('a descriptor of a message named %s is unusable', (name) => {
  const file = descriptor.FileDescriptorProto.create({
    name: 'x.proto',
    syntax: 'proto3',
    messageType: [{ name, field: [{ name: 'x', number: 1, label: 1, type: 5 }] }],
  })
  const base64 = Buffer.from(descriptor.FileDescriptorProto.encode(file).finish()).toString(
    'base64',
  )
  const unusable = thrownIn(() => openDecoder(registered('protobuf', base64), null))
  expect(unusable).toMatchObject({ code: 'SCHEMA_UNUSABLE' })
})

const NAMES = `
  syntax = "proto3";
  import "google/protobuf/any.proto";
  message Named {
    string card_id = 1 [json_name = "card"];
    string sha_256 = 2;
    oneof how { int32 slot_no = 3; }
    google.protobuf.Any any_thing = 4;
  }`

/** The file of {@link NAMES} as a compiler writes it. @param withNames has all names in JSON */
function descriptorOfNames(withNames: boolean): string {
  const fields = [
    { name: 'card_id', type: 9, jsonName: 'card' },
    { name: 'sha_256', type: 9, jsonName: 'sha256' },
    { name: 'slot_no', type: 5, jsonName: 'slotNo', oneofIndex: 0 },
    { name: 'any_thing', type: 11, jsonName: 'anyThing', typeName: '.google.protobuf.Any' },
  ]
  const field = fields.map(({ jsonName, ...of }, i) => ({
    ...{ ...of, number: i + 1, label: 1 },
    ...((withNames || jsonName === 'card') && { jsonName }),
  }))
  const file = descriptor.FileDescriptorProto.create({
    name: 'names.proto',
    syntax: 'proto3',
    dependency: ['google/protobuf/any.proto'],
    messageType: [{ name: 'Named', field, oneofDecl: [{ name: 'how' }] }],
  })
  return Buffer.from(descriptor.FileDescriptorProto.encode(file).finish()).toString('base64')
}

test.each([
  ['its text', NAMES],
  ['a descriptor', descriptorOfNames(false)],
  ["protoc's descriptor", descriptorOfNames(true)],
])('fields have the names of Protobuf’s JSON if the file is registered as %s', (_, file) => {
  const any = Buffer.from([10, 1, 0x75, 18, 1, 0x76])
  const message = Buffer.from([0, 10, 1, 0x61, 18, 1, 0x62, 24, 3, 34, any.length, ...any])
  const { value } = protobufDecoder(registered('protobuf', file)).decode(message)
  const anyThing = { typeUrl: 'u', value: Buffer.from('v') }
  expect(value).toEqual({ card: 'a', sha256: 'b', slotNo: 3, anyThing })
})

test('two fields that have one name in JSON make a file unusable', () => {
  const text = 'syntax = "proto3"; message M { int32 a_b = 1; int32 aB = 2; }'
  const unusable = thrownIn(() => openDecoder(registered('protobuf', text), null))
  expect(unusable).toMatchObject({ code: 'SCHEMA_UNUSABLE' })
})

test('blanks before a file take no time', () => {
  const text = `${'\n'.repeat(100_000)}syntax = "proto3"; message M { int32 a = 1; }`
  const ms = cpuMsOf(() => void protobufDecoder(registered('protobuf', text)))
  expect(ms).toBeLessThan(2_000)
})
