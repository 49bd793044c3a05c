import { expect, test } from 'vitest'
import { openOutput, RegisteredOutput } from '../../../src/formats/registry/outputs.ts'
import type { SinkStep } from '../../../src/topology/definition.ts'
import {
  avro,
  jsonSchema,
  protobuf,
  type RegisteredFormat,
  type SchemaOptions,
} from '../../../src/topology/sink-format.ts'
import { thrownBy, thrownIn } from '../../support/thrown.ts'
import { HandSubjects } from './hand-registry.ts'

const SCHEMA = { type: 'record', name: 'Out', namespace: 'a', fields: [{ name: 'n', type: 'int' }] }
const TEXT = JSON.stringify(SCHEMA)

function open(format: RegisteredFormat, subjects: HandSubjects | null) {
  const sink: SinkStep = { op: 'sink', name: 'out', topic: 'out-2', key: null, format }
  return openOutput(sink, { subjects, where: 'test/out' })
}

async function output(options: SchemaOptions = {}) {
  const subjects = new HandSubjects()
  return { subjects, of: (await open(avro(SCHEMA, options), subjects)) as RegisteredOutput }
}

test('a value is written after the id of the schema in its subject', async () => {
  const { subjects, of } = await output()
  subjects.add('out-2-value', TEXT, 0x01_02_03)
  await of.register()
  expect(of.encode({ n: 5 })).toEqual(Buffer.of(0, 0, 1, 2, 3, 10))
})

test('the registry is asked once, however often the worker joins', async () => {
  const { subjects, of } = await output()
  subjects.add('out-2-value', TEXT, 7)
  await of.register()
  await of.register()
  expect(subjects.asked).toEqual(['find out-2-value'])
})

test.each([
  [avro(SCHEMA, { subject: 'record' }), 'a.Out'],
  [protobuf('syntax="proto3";package a;message Out{}', { subject: 'record' }), 'a.Out'],
  [jsonSchema({ title: 'Out' }, { subject: 'record' }), 'Out'],
  [avro(SCHEMA), 'out-2-value'],
])(
  'the subject is that of the record, or of the topic that is really written',
  async (format, subject) => {
    expect(((await open(format, new HandSubjects())) as RegisteredOutput).subject).toBe(subject)
  },
)

test('a schema that its subject does not have is refused', async () => {
  const { subjects, of } = await output()
  subjects.add('out-2-value', 'another', 7)
  const fault = await thrownBy(of.register())
  expect(fault).toMatchObject({ code: 'SCHEMA_NOT_REGISTERED', where: 'test/out' })
  expect(fault.hint).toContain('register: true')
  expect(subjects.asked).toEqual(['find out-2-value'])
})

test('with register it is added', async () => {
  const { subjects, of } = await output({ register: true })
  await of.register()
  expect(subjects.asked).toEqual(['find out-2-value', 'register out-2-value'])
  expect(of.encode({ n: 0 })).toEqual(Buffer.of(0, 0, 0, 0, 99, 0))
})

test("and refused in the registry's words if it is not compatible", async () => {
  const { subjects, of } = await output({ register: true })
  subjects.objectionsToAll = ['n was a string', 'm is gone']
  const fault = await thrownBy(of.register())
  expect(fault).toMatchObject({ code: 'SCHEMA_REJECTED', where: 'test/out' })
  expect(fault.message).toContain('in subject "out-2-value": n was a string; m is gone')
})

test('a check says the same, and adds nothing', async () => {
  const { subjects, of } = await output({ register: true })
  expect(await of.check()).toBeNull()
  subjects.objectionsToAll = ['n was a string', 'm is gone']
  const fault = await thrownBy(of.check())
  expect(fault).toMatchObject({ code: 'SCHEMA_REJECTED', where: 'test/out' })
  expect(fault.message).toContain('in subject "out-2-value": n was a string; m is gone')
  subjects.add('out-2-value', TEXT, 7)
  expect(await of.check()).toBe(7)
  expect(subjects.asked).not.toContain('register out-2-value')
})

test('a schema that is there already needs no compatibility: an older worker may start again', async () => {
  const { subjects, of } = await output({ register: true })
  subjects.add('out-2-value', TEXT, 7)
  subjects.objectionsToAll = ['it is older']
  await of.register()
  expect(of.encode({ n: 0 })[4]).toBe(7)
})

test('while the registry is down it can be asked again', async () => {
  const { subjects, of } = await output()
  subjects.add('out-2-value', TEXT, 7)
  subjects.isDown = true
  expect((await thrownBy(of.register())).action).toBe('retry')
  subjects.isDown = false
  await of.register()
  expect(of.encode({ n: 0 })[4]).toBe(7)
})

test('a promise is no value', async () => {
  const { subjects, of } = await output()
  subjects.add('out-2-value', TEXT, 7)
  await of.register()
  const fault = thrownIn(() => of.encode(Promise.reject(new Error('x'))))
  expect(fault).toMatchObject({ code: 'OUTPUT_INVALID', message: 'an output is a promise' })
})

test.each([
  [avro('{'), 'the schema of this sink cannot be used: '],
  [avro({ type: 'record', name: 'X' }), 'the schema of this sink cannot be used: '],
  [protobuf('message {'), 'the schema of this sink cannot be used: '],
  [protobuf('syntax="proto3";message A{}', { message: 'B' }), 'no message is named "B"'],
  [jsonSchema({ type: 'x' }), 'the schema of this sink cannot be used: '],
  [avro('"string"', { subject: 'record' }), "subject 'record' needs a schema with a name"],
  [{ is: 'avro' }, 'format must be what avro(schema), protobuf(source) or jsonSchema(schema)'],
  ['avro', 'format must be what avro(schema)'],
  [avro(SCHEMA, { subject: 'x' as never }), 'subject "x" must be one of topic, record'],
  [avro(SCHEMA, { register: 'no' as never }), 'register must be true or false, not string'],
])('%j is refused', async (format, message) => {
  const fault = await thrownBy(open(format as RegisteredFormat, new HandSubjects()))
  expect(fault).toMatchObject({ code: 'TOPOLOGY_INVALID', where: 'test/out' })
  expect(fault.message).toContain(message)
})

test('without a registry it is refused', async () => {
  expect(await thrownBy(open(avro(SCHEMA), null))).toMatchObject({ code: 'CONFIG_INVALID' })
})
