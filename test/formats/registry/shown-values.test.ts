import avro from 'avsc'
import { expect, test } from 'vitest'
import { valueShower } from '../../../src/formats/registry/shown-values.ts'
import { thrownBy } from '../../support/thrown.ts'
import { HandRegistry, wireValue } from './hand-registry.ts'

const SCHEMA = { type: 'record', name: 'A', fields: [{ name: 'raw', type: 'bytes' }] } as const
const bytes = avro.Type.forSchema({ ...SCHEMA, fields: [...SCHEMA.fields] }).toBuffer({
  raw: Buffer.of(255),
})

function values() {
  const registry = new HandRegistry()
  registry.add(1, { type: 'avro', text: JSON.stringify(SCHEMA) })
  registry.add(2, { type: 'avro', text: 'no schema' })
  const show = valueShower(registry)
  return { registry, text: async (value: Buffer) => String(await show(value)) }
}

test('a value with a schema is shown as JSON, bytes in it as base64', async () => {
  expect(await values().text(wireValue(1, bytes))).toBe('{"raw":{"base64":"/w=="}}')
})

test('any other value is shown as it is', async () => {
  const { text, registry } = values()
  expect(await text(Buffer.from('{"a":1}'))).toBe('{"a":1}')
  expect(registry.asked).toEqual([])
})

test.each([
  [
    'a value that does not match',
    wireValue(1, Buffer.of(9)),
    'PAYLOAD_INVALID: the value does not match Avro schema 1: it is cut off',
  ],
  ['a schema that is none', wireValue(2, bytes), 'SCHEMA_UNUSABLE: Avro schema 2'],
  ['a schema that is not there', wireValue(3, bytes), 'SCHEMA_UNKNOWN: the schema registry has no'],
])('of %s it is shown that it cannot be decoded, and why', async (_, value, why) => {
  const shown = JSON.parse(await values().text(value)) as { why: string }
  expect(shown).toMatchObject({ undecoded: { base64: value.toString('base64') } })
  expect(shown.why).toContain(why)
})

test('a schema is fetched once', async () => {
  const { registry, text } = values()
  await Promise.all([1, 3, 1, 3].map((id) => text(wireValue(id, bytes))))
  expect(registry.asked).toEqual([1, 3])
})

test('a registry that is down is an error, since it says nothing about a value', async () => {
  const { registry, text } = values()
  registry.isDown = true
  expect((await thrownBy(text(wireValue(1, bytes)))).code).toBe('REGISTRY_UNAVAILABLE')
})
