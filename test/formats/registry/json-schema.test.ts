import { expect, test } from 'vitest'
import { z } from 'zod'
import { jsonSchemaEncoder } from '../../../src/formats/registry/json-schema.ts'
import { thrownIn } from '../../support/thrown.ts'
import { registered } from './registered.ts'

const encoderOf = (schema: unknown) => jsonSchemaEncoder(registered('json', JSON.stringify(schema)))
const SCHEMA = {
  title: 'Payment',
  type: 'object',
  properties: {
    id: { type: 'string', format: 'uuid' },
    amount: { type: 'number', maximum: 5 },
    items: { type: 'array', items: { $ref: '#/definitions/Item' } },
  },
  required: ['id'],
  additionalProperties: false,
  definitions: { Item: { type: 'object', properties: { price: { type: 'number' } } } },
}

test('a value is written as JSON; its title is its name', () => {
  const { encode, type } = encoderOf(SCHEMA)
  expect(String(encode({ id: 'a', amount: undefined }))).toBe('{"id":"a"}')
  expect(type).toBe('Payment')
})

test.each([
  [{}, "the value must have required property 'id'"],
  [{ id: 'a', amount: '1' }, 'field amount must be number'],
  [{ id: 'a', amount: Number.NaN }, 'field amount must be number'],
  [{ id: 'a', amount: 6 }, 'field amount must be <= 5'],
  [{ id: 'a', items: [{}, { price: 'x' }] }, 'field items[1].price must be number'],
  [{ id: 'a', amuont: 1 }, 'the value must NOT have additional properties: amuont'],
  [{ id: 'a', c4711001: 1 }, 'the value must NOT have additional properties ('],
  ['text', 'the value must be object'],
])('%j does not fit, and the message says where and why, without the value', (value, message) => {
  const fault = thrownIn(() => encoderOf(SCHEMA).encode(value))
  expect(fault.code).toBe('OUTPUT_INVALID')
  expect(fault.message).toContain(message)
  expect(fault.message).toContain('JSON Schema Payment)')
})

test.each([
  'http://json-schema.org/draft-06/schema#',
  'http://json-schema.org/draft-07/schema#',
  'https://json-schema.org/draft/2019-09/schema',
  'https://json-schema.org/draft/2020-12/schema',
])('%s is known', ($schema) => {
  const { encode } = encoderOf({ ...SCHEMA, $schema })
  expect(thrownIn(() => encode({ id: 5 })).message).toContain('field id must be string')
})

test('what only the later drafts have is checked: prefixItems of 2020-12', () => {
  const $schema = 'https://json-schema.org/draft/2020-12/schema'
  const { encode } = encoderOf({ $schema, prefixItems: [{ type: 'string' }] })
  expect(thrownIn(() => encode([5])).message).toContain('field [0] must be string')
})

test("zod's own JSON Schema is one", () => {
  const { encode } = encoderOf(z.toJSONSchema(z.object({ p: z.number() })))
  expect(thrownIn(() => encode({ p: 'x' })).message).toContain('field p must be number')
})

test.each([
  ['{', 'in JSON at position 1'],
  ['true', 'it is not an object'],
  ['{"$schema":"http://json-schema.org/draft-04/schema#"}', 'is not draft 6, 7, 2019-09 or 2020'],
  ['{"type":"numbre"}', 'type'],
  ['{"$ref":"http://other/schema"}', "can't resolve reference"],
])('%s is refused', (text, why) => {
  expect(() => jsonSchemaEncoder(registered('json', text))).toThrow(why)
})
