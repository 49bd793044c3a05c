import { connect } from 'node:net'
import { hostname } from 'node:os'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import type { HttpReply, HttpRoute } from '../../src/serve/request.ts'
import { RequestFault } from '../../src/serve/request-fault.ts'
import { RequestServer } from '../../src/serve/request-server.ts'
import { raw } from './on-connection.ts'

const servers: RequestServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

const ROUTES: readonly HttpRoute[] = [
  {
    method: 'GET',
    path: /^\/open$/,
    access: 'open',
    answer: () => ({ body: { open: true } }),
  },
  { method: 'POST', path: /^\/echo$/, answer: ({ body }) => ({ body: [body] }) },
  {
    method: 'POST',
    path: /^\/of\/(?<name>[^/]+)$/,
    answer: ({ names }) => ({ body: names }),
  },
  {
    method: 'POST',
    path: /^\/faulty$/,
    answer: () => {
      throw new RequestFault(422, 'is faulty', { where: 'a.b' })
    },
  },
  {
    method: 'POST',
    path: /^\/broken$/,
    answer: () => {
      throw new Error('a secret')
    },
  },
]

async function listen(routes = ROUTES, token: string | null = null) {
  const server = await RequestServer.listen({ host: '127.0.0.1', port: 0, token, routes })
  servers.push(server)
  const url = `http://127.0.0.1:${server.port}`
  return { server, url, post: poster(url) }
}

function poster(url: string) {
  return async (
    path: string,
    body: string | Uint8Array<ArrayBuffer> = '',
    headers: Record<string, string> = {},
  ) => {
    const response = await fetch(`${url}${path}`, { method: 'POST', body, headers })
    const text = await response.text()
    return { status: response.status, text, headers: response.headers }
  }
}

test.each(['0.0.0.0', '::'])('a server on %s is reached by the name of its host', async (host) => {
  const server = await RequestServer.listen({ host, port: 0, routes: [] })
  servers.push(server)
  expect(server.advertised).toBe(`${hostname()}:${server.port}`)
})

test('a request gets the answer of its route, with the names in its path', async () => {
  const { post } = await listen()
  expect(await post('/echo', 'abc')).toMatchObject({ status: 200, text: 'abc' })
  expect(await post('/of/me?x=1')).toMatchObject({ status: 200, text: '{"name":"me"}' })
})

test('another path is not found, and another method is told which there are', async () => {
  const { url, post } = await listen()
  expect(await post('/none')).toMatchObject({ status: 404 })
  const response = await fetch(`${url}/echo`)
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
})

test('a fault is told with its place, any other error not at all', async () => {
  const { post } = await listen()
  const fault = { error: 'is faulty', where: 'a.b' }
  expect(await post('/faulty')).toMatchObject({ status: 422, text: JSON.stringify(fault) })
  const { status, text } = await post('/broken')
  expect([status, text]).toEqual([500, expect.not.stringContaining('secret')])
})

test('only who has the token may ask, but for open routes', async () => {
  const { url, post } = await listen(ROUTES, 'letmein')
  const statusWith = async (authorization: string) =>
    (await post('/echo', '', { authorization })).status
  expect([await statusWith('Bearer letmein'), await statusWith('Bearer wrong')]).toEqual([200, 401])
  const { status, headers } = await post('/echo')
  expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
  expect((await fetch(`${url}/open`)).status).toBe(200)
})

test('a body is at most 1 MiB, packed or not', async () => {
  const { post } = await listen()
  const statusOf = async (bytes: number, isPacked = false) => {
    const body = Buffer.alloc(bytes)
    return isPacked
      ? (await post('/echo', new Uint8Array(gzipSync(body)), { 'content-encoding': 'gzip' })).status
      : (await post('/echo', body)).status
  }
  const most = 2 ** 20
  expect([await statusOf(most), await statusOf(most + 1)]).toEqual([200, 413])
  expect([await statusOf(most, true), await statusOf(100 * most, true)]).toEqual([200, 413])
  const { server } = await listen()
  const chunk = `${most.toString(16)}\r\n${'x'.repeat(most)}\r\n`
  const head = 'POST /echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n'
  expect(await raw(server.port, `${head}${chunk}${chunk}0\r\n\r\n`)).toMatch(/^HTTP\/1.1 413 /)
})

const NO_PACKINGS = ['br', 'gzip, gzip', 'constructor', 'toString', 'valueOf', '__proto__']
test.each<[string, number]>([
  ['gzip', 400],
  ['deflate', 400],
  ['GZip', 400],
  ['Identity', 200],
  ...NO_PACKINGS.map((encoding): [string, number] => [encoding, 415]),
])('a body that is not packed is answered so where it says %s: %i', async (encoding, status) => {
  const { post } = await listen()
  expect(await post('/echo', 'abc', { 'content-encoding': encoding })).toMatchObject({ status })
})

test('a packed body is unpacked, however its packing is spelled', async () => {
  const { post } = await listen()
  const body = new Uint8Array(gzipSync('abc'))
  const packed = await post('/echo', body, { 'content-encoding': 'GZIP' })
  expect(packed).toMatchObject({ status: 200, text: 'abc' })
})

test.each([
  ['two lengths of the body', 'content-length: 1\r\ncontent-length: 2\r\n\r\nab', 400],
  ['a length and chunks', 'content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['more than 16 KiB of headers', `x: ${'y'.repeat(2 ** 14)}\r\n\r\n`, 431],
])('%s: refused, and the connection is closed', async (_, rest, status) => {
  const { server } = await listen()
  const answer = await raw(server.port, `POST /echo HTTP/1.1\r\nhost: localhost\r\n${rest}`)
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
})

test.each(['x', '0', '-1'])('a deadline of %s is refused', async (deadline) => {
  const { post } = await listen()
  const { status, text } = await post('/echo', '', { 'tidemark-deadline-ms': deadline })
  expect([status, text]).toEqual([400, expect.stringContaining('tidemark-deadline-ms')])
})

test('a client that leaves in the middle of its request is no failure', async () => {
  const warnings: Error[] = []
  const warned = (warning: Error) => warnings.push(warning)
  process.on('warning', warned)
  const { server, post } = await listen()
  const head = 'POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc'
  await new Promise<void>((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write(head, () => socket.destroy())
    })
    socket.on('close', () => resolve())
  })
  expect(await post('/echo', 'abc')).toMatchObject({ status: 200 })
  process.off('warning', warned)
  expect(warnings).toEqual([])
})
test('a server that closes answers what has come', async () => {
  let answer: (() => void) | undefined
  let slow: ReturnType<ReturnType<typeof poster>> | undefined
  await new Promise<void>((hasCome) => {
    const held = () => {
      hasCome()
      return new Promise<HttpReply>((resolve) => {
        answer = () => resolve({ body: { done: true } })
      })
    }
    slow = listen([{ method: 'POST', path: /^\/slow$/, answer: held }]).then(({ post }) => {
      return post('/slow')
    })
  })
  const [server] = servers.splice(0)
  const closed = server?.close()
  answer?.()
  const answered = await slow
  expect(answered).toMatchObject({ status: 200, text: '{"done":true}' })
  expect(answered?.headers.get('connection')).toBe('close')
  await closed
})
