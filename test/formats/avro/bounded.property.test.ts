import avro, { type Schema, type Type } from 'avsc'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { skipperOf } from '../../../src/formats/avro/bounded.ts'
import { runs } from '../../support/runs.ts'

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
function checkOf(of: Type): (value: Uint8Array) => boolean {
  const skip = skipperOf(of)
  return (value) => skip(value, 0, value.length) >= 0
}

const type = avro.Type.forSchema(EVERYTHING)
const check = checkOf(type)

function randomValue(): Buffer {
  const value = type.random() as unknown as object
  return type.toBuffer({ ...value, again: null })
}

/** What avsc makes of it; an error: it refuses. */
function decoded(value: Buffer): unknown {
  try {
    return type.fromBuffer(value)
  } catch (thrown) {
    return thrown
  }
}

test('every value that avsc writes is whole', () => {
  for (let i = 0; i < 2_000; i++) expect(check(randomValue())).toBe(true)
})

test('what is left of a value that is cut off is not whole', () => {
  for (let i = 0; i < 200; i++) {
    const value = randomValue()
    for (let end = 0; end < value.length; end++) {
      expect(check(value.subarray(0, end))).toBe(false)
    }
  }
})

test('what is whole makes avsc allocate no more items than there are bytes, and some', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 6 })
  let accepted = 0
  fc.assert(
    fc.property(fc.nat(), bytes, (at, put) => {
      const value = Buffer.from(randomValue())
      value.set(put.subarray(0, value.length), at % Math.max(1, value.length - put.length))
      if (!check(value)) return
      const result = decoded(value)
      if (result instanceof Error) return
      accepted++
      const { many, named } = result as { many: unknown[]; named: object }
      expect(many.length + Object.keys(named).length).toBeLessThanOrEqual(value.length + 1_000)
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
  expect(checkOf(avro.Type.forSchema(schema as Schema))(value)).toBe(false)
})

test('a type that contains itself is followed to a depth of 32', () => {
  const list = avro.Type.forSchema({
    type: 'record',
    name: 'List',
    fields: [{ name: 'next', type: ['null', 'List'] }],
  })
  const nested = (levels: number) => Buffer.from([...new Array(levels - 1).fill(2), 0])
  expect(checkOf(list)(nested(32))).toBe(true)
  expect(checkOf(list)(nested(33))).toBe(false)
})
