import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { ConfluentRegistry } from '../../src/registry/confluent-registry.ts'
import { thrownBy } from '../support/thrown.ts'

// The answers that a registry may give; integration/registry.test.ts asks a real one.

const AVRO = { type: 'avro', text: '"int"' } as const

async function served(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Answers each path with a status and a body. */
function answering(of: Readonly<Record<string, readonly [status: number, body: unknown]>>) {
  const asked: string[] = []
  const url = served((request, response) => {
    asked.push(request.url ?? '')
    const [status, body] = of[request.url ?? ''] ?? [500, {}]
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  return { url, asked }
}

test('a schema comes with its type, which an Avro schema does not have to name', async () => {
  const { url } = answering({
    '/schemas/ids/1': [200, { schema: '"string"', schemaType: null }],
    '/schemas/ids/2': [200, { schema: 'message', schemaType: 'PROTOBUF', references: null }],
  })
  const registry = new ConfluentRegistry({ url: await url })
  expect(await registry.schema(1)).toEqual({
    id: 1,
    type: 'avro',
    text: '"string"',
    references: [],
  })
  expect(await registry.schema(2)).toMatchObject({ type: 'protobuf', text: 'message' })
})

test('references come each once, after those that they need themselves', async () => {
  const ref = (name: string) => ({ name, subject: `${name} subject`, version: 3 })
  const version = (name: string) => `/subjects/${name}%20subject/versions/3`
  const { url, asked } = answering({
    '/schemas/ids/1': [200, { schema: 'main', references: [ref('a'), ref('b')] }],
    [version('a')]: [200, { schema: 'text a', references: [ref('c')] }],
    [version('b')]: [200, { schema: 'text b', references: [ref('c')] }],
    [version('c')]: [200, { schema: 'text c' }],
  })
  const registry = new ConfluentRegistry({ url: await url })
  expect((await registry.schema(1))?.references).toEqual([
    { name: 'c', text: 'text c' },
    { name: 'a', text: 'text a' },
    { name: 'b', text: 'text b' },
  ])
  expect(asked).toHaveLength(4)
})

test.each([
  [
    'refers to a version that the registry does not have',
    { schema: 'main', references: [{ name: 'a', subject: 'a b', version: 1 }] },
    'schema 1 refers to version 1 of subject "a b", which the schema registry does not have',
  ],
  [
    'is of a type that is not known',
    { schema: '', schemaType: 'THRIFT' },
    'schema 1 is of the unknown type THRIFT',
  ],
])('a schema is unknown if it %s', async (_, body, message) => {
  const { url } = answering({
    '/schemas/ids/1': [200, body],
    '/subjects/a%20b/versions/1': [404, { error_code: 40_401, message: 'no subject' }],
  })
  const error = await thrownBy(new ConfluentRegistry({ url: await url }).schema(1))
  expect(error).toMatchObject({ code: 'SCHEMA_UNKNOWN', message })
})

test.each([
  ['the page of a proxy', '<html>log in</html>'],
  ['nothing', ''],
  ['JSON that is no schema', { hello: 1 }],
  ['a schema that is no text', { schema: {} }],
  ['a reference that is none', { schema: 'x', references: [null] }],
  ['null', 'null'],
])('an answer of 200 with %s is none', async (_, body) => {
  const { url } = answering({
    '/schemas/ids/1': [200, body],
    '/subjects/a': [200, body],
    '/subjects/a/versions/latest': [200, body],
    '/compatibility/subjects/a/versions/latest?verbose=true': [200, body],
  })
  const registry = new ConfluentRegistry({ url: await url })
  const asked = [
    registry.schema(1),
    registry.find('a', AVRO),
    registry.latest('a'),
    registry.objections('a', AVRO),
  ]
  for (const answer of asked) {
    expect(await thrownBy(answer)).toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: 'the schema registry: it answered 200 with something else than was asked for',
    })
  }
})

test.each([409, 422])(
  'a schema that is read is not rejected with %d: that passes',
  async (status) => {
    const { url } = answering({ '/schemas/ids/1': [status, { error_code: status, message: 'no' }] })
    const error = await thrownBy(new ConfluentRegistry({ url: await url }).schema(1))
    expect(error).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', action: 'retry' })
  },
)

test('only the code of the registry itself says that there is no such schema', async () => {
  const { url } = answering({
    '/schemas/ids/1': [404, { error_code: 40_403, message: 'Schema not found' }],
    '/schemas/ids/2': [404, { error_code: 404, message: 'HTTP 404 Not Found' }],
    '/schemas/ids/3': [404, '<html>no such page</html>'],
    '/schemas/ids/4': [503, { error_code: 40_403, message: 'Schema not found' }],
  })
  const registry = new ConfluentRegistry({ url: await url })
  expect((await thrownBy(registry.schema(1))).code).toBe('SCHEMA_UNKNOWN')
  for (const [id, why] of [
    [2, 'it answered 404: HTTP 404 Not Found'],
    [3, 'it answered 404'],
  ] as const) {
    expect(await thrownBy(registry.schema(id))).toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: `the schema registry: ${why}`,
    })
  }
  expect((await thrownBy(registry.schema(4))).code).toBe('REGISTRY_UNAVAILABLE')
})

test.each([
  ['an error', [503, { message: 'starting' }], 'it answered 503: starting'],
  ['a refused login', [401, {}], 'it answered 401'],
] as const)('%s passes, so that it is tried again', async (_, answer, why) => {
  const { url } = answering({ '/schemas/ids/1': answer })
  const registry = new ConfluentRegistry({ url: await url })
  const error = await thrownBy(registry.schema(1))
  expect(error).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', where: await url })
  expect(error.message).toContain(why)
})

test('nobody who listens is said so', async () => {
  const registry = new ConfluentRegistry({ url: 'http://127.0.0.1:1' })
  expect((await thrownBy(registry.schema(1))).message).toContain('ECONNREFUSED 127.0.0.1:1')
})

test('it logs in with user name and password, and asks below the path of its URL', async () => {
  let seen: unknown = null
  const url = await served((request, response) => {
    seen = [request.url, request.headers.authorization]
    response.end('{"schema":"x"}')
  })
  const login = { username: 'me', password: 'secret' }
  await new ConfluentRegistry({ url: `${url}/apis/ccompat/v7/`, login }).schema(9)
  const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`
  expect(seen).toEqual(['/apis/ccompat/v7/schemas/ids/9', basic])
})

test('a schema is found in its subject, also in another layout, or it is not there', async () => {
  const { url } = answering({
    '/subjects/a': [200, { subject: 'a', id: 5, version: 1, schema: '"int"' }],
    '/subjects/b': [404, { error_code: 40_401, message: 'no subject' }],
    '/subjects/b?normalize=true': [404, { error_code: 40_401, message: 'no subject' }],
    '/subjects/c': [404, { error_code: 40_403, message: 'no schema' }],
    '/subjects/c?normalize=true': [200, { subject: 'c', id: 6, version: 1, schema: ' "int"' }],
  })
  const registry = new ConfluentRegistry({ url: await url })
  const found = await Promise.all(['a', 'b', 'c'].map((subject) => registry.find(subject, AVRO)))
  expect(found).toEqual([5, null, 6])
})

test('what it is asked has the schema and its type', async () => {
  let seen: unknown = null
  const url = await served((request, response) => {
    let body = ''
    request.on('data', (part) => (body += part))
    request.on('end', () => {
      seen = [request.method, request.url, JSON.parse(body)]
      response.end('{"id":3}')
    })
  })
  const registry = new ConfluentRegistry({ url })
  expect(await registry.register('a/b', { type: 'protobuf', text: 'x' })).toBe(3)
  const body = { schema: 'x', schemaType: 'PROTOBUF' }
  expect(seen).toEqual(['POST', '/subjects/a%2Fb/versions', body])
})

test.each([
  [[200, { is_compatible: true }], []],
  [
    [200, { is_compatible: false, messages: ['READER', 'WRITER'] }],
    ['READER', 'WRITER'],
  ],
  [[200, { is_compatible: false }], ['it is not compatible with the latest version']],
  [[404, { error_code: 40_402, message: 'no version' }], []],
] as const)('of %j the objections are %j', async (answer, objections) => {
  const { url } = answering({ '/compatibility/subjects/a/versions/latest?verbose=true': answer })
  const registry = new ConfluentRegistry({ url: await url })
  expect(await registry.objections('a', AVRO)).toEqual(objections)
})

test.each([409, 422])('with %d it rejects a schema, in its words', async (status) => {
  const { url } = answering({ '/subjects/a/versions': [status, { message: 'field n is gone' }] })
  const registry = new ConfluentRegistry({ url: await url })
  const fault = await thrownBy(registry.register('a', AVRO))
  expect(fault).toMatchObject({ code: 'SCHEMA_REJECTED', action: 'refuse' })
  expect(fault.message).toBe('field n is gone')
})

test('the latest schema of a subject comes with its id', async () => {
  const { url } = answering({
    '/subjects/a/versions/latest': [200, { subject: 'a', version: 2, id: 9, schema: '"int"' }],
    '/subjects/b/versions/latest': [404, { error_code: 40_401 }],
  })
  const registry = new ConfluentRegistry({ url: await url })
  expect(await registry.latest('a')).toEqual({ id: 9, ...AVRO, references: [] })
  expect(await registry.latest('b')).toBeNull()
})
