import { expect, test } from 'vitest'
import { z } from 'zod'
import { fieldRules } from '../../../src/formats/json/field-rules.ts'

const one = { n: z.number() }
test.each([
  ['a number', z.object(one), ['number'], ''],
  ['text', z.object({ n: z.iso.datetime() }), ['text'], ''],
  ['one of some words', z.object({ n: z.enum(['a', 'b']) }), ['text'], ''],
  ['a literal', z.object({ n: z.literal(['a', 1, null]) }), ['text', 'number'], 'null'],
  ['a boolean', z.object({ n: z.boolean() }), ['boolean'], ''],
  ['text or a number', z.object({ n: z.union([z.string(), z.int()]) }), ['text', 'number'], ''],
  ['a number or null', z.object({ n: z.number().nullable() }), ['number'], 'null'],
  ['a number or absent', z.object({ n: z.number().optional() }), ['number'], 'absent'],
  ['a list', z.object({ n: z.array(z.number()) }), ['other'], ''],
  ['a number beside a list', z.object({ ...one, list: z.array(z.number()) }), ['number'], ''],
  ['a number beside a date', z.object({ ...one, date: z.date() }), ['number'], ''],
  ['a number that is transformed', z.object({ n: z.number().transform(String) }), ['number'], ''],
  ['a number of a checked object', z.strictObject(one).refine(() => true), ['number'], ''],
  [
    'a field of some options',
    z.union([z.object(one), z.object({ n: z.string() }), z.object({ m: z.string() })]),
    ['number', 'text'],
    'absent',
  ],
])('%s is known from the schema', (_, schema, kinds, may) => {
  expect(fieldRules(schema)('n')).toEqual({
    kinds: new Set(kinds),
    mayBeNull: may === 'null',
    mayBeAbsent: may === 'absent',
  })
})

test('nothing is known of a field that the schema does not name, nor of a schema without fields', () => {
  expect(fieldRules(z.object(one))('m')).toBeNull()
  expect(fieldRules(z.string())('n')).toBeNull()
  const validate = (value: unknown) => ({ value })
  expect(fieldRules({ '~standard': { version: 1, vendor: 'own', validate } })('n')).toBeNull()
})
