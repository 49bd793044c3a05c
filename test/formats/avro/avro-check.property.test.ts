import avro, { type Schema } from 'avsc'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../../support/runs.ts'
import { avroCheck } from './avro-check.ts'

const EVERYTHING: Schema = {
  type: 'record',
  name: 'Everything',
  fields: [
    { name: 'none', type: 'null' },
    { name: 'flag', type: 'boolean' },
    { name: 'small', type: 'int' },
    { name: 'large', type: 'long' },
    { name: 'half', type: 'float' },
    { name: 'full', type: 'double' },
    { name: 'text', type: 'string' },
    { name: 'raw', type: 'bytes' },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 4 } },
    { name: 'suit', type: { type: 'enum', name: 'Suit', symbols: ['A', 'B', 'C'] } },
    { name: 'many', type: { type: 'array', items: ['null', 'string'] } },
    { name: 'named', type: { type: 'map', values: 'double' } },
    { name: 'maybe', type: ['null', 'long'] },
    {
      name: 'inner',
      type: { type: 'record', name: 'Inner', fields: [{ name: 'x', type: 'int' }] },
    },
    { name: 'again', type: ['null', 'Everything'], default: null },
  ],
}

const type = avro.Type.forSchema(EVERYTHING)
const whyNot = avroCheck(type)

function randomValue(): Buffer {
  const value = type.random() as unknown as object
  return type.toBuffer({ ...value, again: null })
}

test('every value that avsc writes is whole', () => {
  for (let i = 0; i < 2_000; i++) expect(whyNot(randomValue())).toBeNull()
})

test('what is left of a value that is cut off is not whole', () => {
  for (let i = 0; i < 200; i++) {
    const value = randomValue()
    for (let end = 0; end < value.length; end++) {
      expect(whyNot(value.subarray(0, end))).not.toBeNull()
    }
  }
})

test('what is whole is a value of its type, as avsc decodes it', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 6 })
  let accepted = 0
  fc.assert(
    fc.property(fc.nat(), bytes, (at, put) => {
      const value = Buffer.from(randomValue())
      value.set(put.subarray(0, value.length), at % Math.max(1, value.length - put.length))
      if (whyNot(value) !== null) return
      accepted++
      expect(type.isValid(type.fromBuffer(value))).toBe(true)
    }),
    { numRuns: runs(3_000) },
  )
  expect(accepted).toBeGreaterThan(runs(100))
})

test.each([
  ['array', { type: 'array', items: 'int' }],
  ['array of nothing', { type: 'array', items: 'null' }],
  ['map', { type: 'map', values: 'int' }],
] as const)('a count that the bytes cannot hold is refused: %s', (_, schema) => {
  // A block of 2^31 − 1 items.
  const value = Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0])
  const why = avroCheck(avro.Type.forSchema(schema))(value)
  expect(why).toBe('it has more than 65,536 values')
})

test('a type that contains itself is followed to a depth of 32', () => {
  const list = avro.Type.forSchema({
    type: 'record',
    name: 'List',
    fields: [{ name: 'next', type: ['null', 'List'] }],
  })
  const nested = (levels: number) => Buffer.from([...new Array(levels - 1).fill(2), 0])
  expect(avroCheck(list)(nested(32))).toBeNull()
  expect(avroCheck(list)(nested(33))).toBe('it is nested deeper than 32 levels')
})

/** Records that hold two of another, that many levels deep: no byte for 2^levels records. */
function doubling(levels: number): Schema {
  let schema: unknown = { type: 'record', name: 'D0', fields: [{ name: 'n', type: 'null' }] }
  for (let i = 1; i <= levels; i++) {
    const fields = [
      { name: 'a', type: schema },
      { name: 'b', type: `D${i - 1}` },
    ]
    schema = { type: 'record', name: `D${i}`, fields }
  }
  return schema as Schema
}

test('of no bytes at all a schema makes at most 65,536 values', () => {
  expect(avroCheck(avro.Type.forSchema(doubling(13)))(Buffer.alloc(0))).toBeNull()
  for (const levels of [16, 30]) {
    const why = avroCheck(avro.Type.forSchema(doubling(levels)))(Buffer.alloc(0))
    expect(why).toBe('it has more than 65,536 values')
  }
})
