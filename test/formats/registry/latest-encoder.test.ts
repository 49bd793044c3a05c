import { expect, test } from 'vitest'
import { latestEncoder } from '../../../src/formats/registry/outputs.ts'
import type { SchemaType } from '../../../src/registry/schema-registry.ts'
import { thrownBy, thrownIn } from '../../support/thrown.ts'
import { HandSubjects } from './hand-registry.ts'
import { registered } from './registered.ts'

const SCHEMA = JSON.stringify({
  type: 'record',
  name: 'A',
  fields: [{ name: 'raw', type: 'bytes' }],
})

function encoder(type: SchemaType, text: string, message: string | null = null) {
  const subjects = new HandSubjects()
  subjects.latestOfAll = registered(type, text)
  return latestEncoder(subjects, { subject: 's', message })
}

test('JSON is encoded with the latest schema of the subject, bytes in it are base64', async () => {
  const encode = await encoder('avro', SCHEMA)
  const json = Buffer.from('{"raw":{"base64":"/w=="}}')
  expect(encode(json)).toEqual(Buffer.of(0, 0, 0, 0, 7, 2, 255))
})

test('in Protobuf it is the message that is named', async () => {
  const file = 'syntax="proto3";message A{} message B{int32 n=1;}'
  const encode = await encoder('protobuf', file, 'B')
  expect(encode(Buffer.from('{"n":1}'))).toEqual(Buffer.of(0, 0, 0, 0, 7, 2, 2, 8, 1))
  expect((await thrownBy(encoder('protobuf', file))).message).toContain('name the message')
})

test.each([
  ['{"raw":"x"}', 'field raw must be a Buffer, got string (Avro schema A)'],
  ['{"raw"', 'the value is not JSON'],
])('%s is refused', async (json, message) => {
  const encode = await encoder('avro', SCHEMA)
  expect(thrownIn(() => encode(Buffer.from(json))).message).toBe(message)
})

test('a subject that is not there, or whose schema cannot be used, is refused', async () => {
  const nothing = latestEncoder(new HandSubjects(), { subject: 's', message: null })
  expect((await thrownBy(nothing)).code).toBe('SCHEMA_NOT_REGISTERED')
  expect((await thrownBy(encoder('avro', '{'))).code).toBe('CONFIG_INVALID')
})
