import avro, { type Schema } from 'avsc'
import * as fc from 'fast-check'
import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { avroEncoder } from '../../../src/formats/avro/avro-encoder.ts'
import { readMessageIndexes } from '../../../src/formats/protobuf/proto-files.ts'
import { protobufEncoder } from '../../../src/formats/protobuf/protobuf-encoder.ts'
import { openDecoder } from '../../../src/formats/registry/schemas.ts'
import { registered } from './registered.ts'

// A value that a sink writes is read back equal by a source, and by avsc and protobufjs alone.

/** A type of a field, in Avro and in Protobuf, with its values. */
interface FieldType {
  readonly avro: unknown
  /** `null`: Protobuf has none like it. */
  readonly protobuf: string | null
  readonly values: fc.Arbitrary<unknown>
}

const whole = (least: number, most: number) => fc.integer({ min: least, max: most })
const float = fc.float({ noNaN: true }).map((number) => (number === 0 ? 0 : number))
const double = fc.double({ noNaN: true }).map((number) => (number === 0 ? 0 : number))
const text = fc.string({ unit: 'binary', maxLength: 50 })
const bytes = fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array))
const long = whole(-(2 ** 52), 2 ** 53 - 2)
const keys = fc.stringMatching(/^[a-z é✈]{0,5}$/)

const SCALARS: readonly FieldType[] = [
  { avro: 'boolean', protobuf: 'bool', values: fc.boolean() },
  { avro: 'int', protobuf: 'sint32', values: whole(-(2 ** 31), 2 ** 31 - 1) },
  { avro: 'long', protobuf: 'int64', values: long },
  { avro: 'long', protobuf: 'sfixed64', values: long },
  { avro: 'long', protobuf: 'uint64', values: long.map(Math.abs) },
  { avro: 'long', protobuf: 'fixed32', values: whole(0, 2 ** 32 - 1) },
  { avro: 'float', protobuf: 'float', values: float },
  { avro: 'double', protobuf: 'double', values: double },
  { avro: 'string', protobuf: 'string', values: text },
  { avro: 'bytes', protobuf: 'bytes', values: bytes },
]

function typeOf(field: FieldType): fc.Arbitrary<FieldType> {
  const { avro: of, protobuf: name, values } = field
  return fc.constantFrom<FieldType>(
    field,
    { avro: ['null', of], protobuf: null, values: fc.option(values) },
    {
      avro: ['int', 'string', 'null'],
      protobuf: null,
      values: fc.option(fc.oneof(text, whole(0, 9))),
    },
    {
      avro: { type: 'array', items: of },
      protobuf: `repeated ${name}`,
      values: fc.array(values, { maxLength: 5 }),
    },
    {
      avro: { type: 'map', values: of },
      protobuf: `map<string, ${name}>`,
      values: fc.dictionary(keys, values, { maxKeys: 5, noNullPrototype: true }),
    },
    { avro: 'Inner', protobuf: 'Inner', values: values.map((is) => ({ text: String(is), is: 7 })) },
    { avro: 'Way', protobuf: 'Way', values: fc.constantFrom('WEB', 'SHOP') },
  )
}

/** Types of the fields of a record, and one of its values. */
const records = fc
  .array(fc.constantFrom(...SCALARS).chain(typeOf), { minLength: 1, maxLength: 6 })
  .chain((types) =>
    fc.record({ types: fc.constant(types), values: fc.tuple(...types.map((type) => type.values)) }),
  )

const named = <T>(all: readonly T[]) => Object.fromEntries(all.map((one, i) => [`f${i}`, one]))

const WAY = { type: 'enum', name: 'Way', symbols: ['WEB', 'SHOP'] }
const INNER = {
  type: 'record',
  name: 'Inner',
  fields: [
    { name: 'text', type: 'string' },
    { name: 'is', type: 'int' },
  ],
}

test('in Avro', () => {
  const property = fc.property(records, ({ types, values }) => {
    const fields = types.map((type, i) => ({ name: `f${i}`, type: type.avro }))
    const first = [
      { name: 'way', type: WAY, default: 'WEB' },
      { name: 'inner', type: ['null', INNER], default: null },
    ]
    const schema = { type: 'record', name: 'All', fields: [...first, ...fields] }
    const written = registered('avro', JSON.stringify(schema))
    const payload = Buffer.from(avroEncoder(written).encode(named(values)))
    const expected = { way: 'WEB', inner: null, ...named(values) }
    expect(openDecoder(written, null).decode(payload).value).toEqual(expected)
    expect(avro.Type.forSchema(schema as Schema).fromBuffer(payload)).toEqual(expected)
  })
  fc.assert(property)
})

test('in Protobuf', () => {
  const property = fc.property(records, ({ types: all, values: every }) => {
    const types = all.filter((type) => type.protobuf !== null)
    const values = every.filter((_, i) => all[i]?.protobuf !== null)
    const fields = types.map((type, i) => `${type.protobuf} f${i} = ${i + 1};`)
    const file = `syntax = "proto3"; enum Way { WEB = 0; SHOP = 1; }
      message Inner { string text = 1; int32 is = 2; } message All { ${fields.join(' ')} }`
    const written = registered('protobuf', file)
    const payload = Buffer.from(protobufEncoder(written, 'All').encode(named(values)))
    expect(openDecoder(written, null).decode(payload).value).toEqual(named(values))
    const { start } = readMessageIndexes(payload) ?? { start: 0 }
    const message = protobuf.parse(file).root.lookupType('All')
    const alone = message.toObject(message.decode(payload.subarray(start)), {
      ...{ defaults: true, arrays: true, objects: true, enums: String, longs: Number },
    })
    expect(alone).toEqual(named(values))
  })
  fc.assert(property)
})
