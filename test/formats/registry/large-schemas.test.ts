import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'
import { expect, test } from 'vitest'
import { openOutput } from '../../../src/formats/registry/outputs.ts'
import { openDecoder } from '../../../src/formats/registry/schemas.ts'
import type { SchemaType } from '../../../src/registry/schema-registry.ts'
import type { SinkStep } from '../../../src/topology/definition.ts'
import { avro } from '../../../src/topology/sink-format.ts'
import { thrownBy, thrownIn } from '../../support/thrown.ts'
import { registered } from './registered.ts'

// A schema at its bounds holds the event loop for less than 0.25 s.

const many = (count: number, of: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => of(i)).join('')
const avroRecord = (fields: number) =>
  `{"type":"record","name":"R","fields":[${many(fields, (i) => `{"name":"f${i}","type":"int"},`)}{"name":"last","type":"int"}]}`
const messages = (count: number) => `syntax="proto3";${many(count, (i) => `message M${i} {}`)}`
const message = (fields: number) =>
  `syntax="proto3"; message M {${many(fields, (i) => `int32 f${i} = ${i + 1};`)}}`

function descriptors(text: string): string {
  const { root } = protobuf.parse(text)
  const { file } = root.toDescriptor('proto3') as unknown as { file: protobuf.Message[] }
  const bytes = descriptor.FileDescriptorProto.encode(file[0] as protobuf.Message).finish()
  return Buffer.from(bytes).toString('base64')
}

const BYTES = 'characters, the maximum is 262144'
const MEMBERS = 'fields, messages and other parts, the maximum is 1500'

test.each<[string, SchemaType, string, string]>([
  ['Avro', 'avro', avroRecord(20_000), BYTES],
  ['JSON Schema', 'json', JSON.stringify({ description: 'x'.repeat(262_144) }), BYTES],
  ['Protobuf', 'protobuf', `// ${'x'.repeat(262_144)}\n${message(1)}`, BYTES],
  ['Protobuf with many messages', 'protobuf', messages(10_000), MEMBERS],
  ['Protobuf with many fields', 'protobuf', message(1_600), MEMBERS],
  ['Protobuf as descriptors', 'protobuf', descriptors(message(1_600)), MEMBERS],
])('a larger schema is refused by the name of the bound: %s', (_, ...[type, text, what]) => {
  const fault = thrownIn(() => openDecoder(registered(type, text), null))
  expect(fault).toMatchObject({ code: 'SCHEMA_UNUSABLE' })
  expect(fault.message).toContain(what)
})

test('its references count', () => {
  const half = JSON.stringify({ description: 'x'.repeat(140_000) })
  const schema = { ...registered('json', half), references: [{ name: 'other', text: half }] }
  expect(thrownIn(() => openDecoder(schema, null)).message).toContain(BYTES)
})

test('so is one of an output', async () => {
  const sink = { topic: 'out', format: avro(avroRecord(20_000)) } as unknown as SinkStep
  const fault = await thrownBy(openOutput(sink, { subjects: 'json', where: 't/out' }))
  expect(fault).toMatchObject({ code: 'TOPOLOGY_INVALID' })
  expect(fault.message).toContain(BYTES)
})

test.each<[SchemaType, string]>([
  ['avro', avroRecord(600)],
  ['protobuf', message(600)],
  ['protobuf', descriptors(message(600))],
])('one of some hundred fields is used: %s', (type, text) => {
  expect(openDecoder(registered(type, text), null).decode).toBeTypeOf('function')
})
