import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Prepared } from '../../src/runtime/prepared.ts'
import type { RequestMember } from '../../src/runtime/worker.ts'
import type { HttpRoute } from '../../src/serve/request.ts'
import type { RequestServer } from '../../src/serve/request-server.ts'
import { modelRoutes } from '../../src/serve/served-model.ts'
import { topologyRoutes } from '../../src/serve/topology-routes.ts'
import { passRequestsOn, serveRequests } from '../../src/serve/worker-requests.ts'
import { perTenSeconds } from '../runtime/support.ts'
import { prepare } from '../support/in-process.ts'
import { statusOfRaw } from './on-connection.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A server that is no worker, and what it was asked. */
async function elsewhere(host = '127.0.0.1') {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    response.end('a secret')
  })
  server.listen(0, host)
  await once(server, 'listening')
  closing.push(() => server.close())
  return { port: (server.address() as AddressInfo).port, asked }
}

async function parentOf(port: number | null, token: string | null = null): Promise<RequestServer> {
  const parent = await passRequestsOn({ port: 0, token }, () => [{ port }])
  closing.push(() => parent.close())
  return parent
}

let prepared: Prepared
beforeAll(async () => {
  prepared = await prepare([perTenSeconds])
})
afterAll(() => prepared.close())

/** A worker without partitions, whose group says that another has them all. */
async function workerWith(owner: string, token: string | null = null): Promise<RequestServer> {
  const member = { isCountedOn: true, taskOf: () => null, partitionsOf: () => 4 }
  const membership = () => ({ ...member, ownerOf: () => owner }) as unknown as RequestMember
  const of = { topologies: prepared.topologies, membership, observer: () => {} }
  const worker = await serveRequests({ port: 0, token }, of)
  closing.push(() => worker.close())
  return worker
}

function isOf({ method, path }: HttpRoute, asked: string): boolean {
  const [verb, target = ''] = asked.split(' ')
  return verb === method && path.test(target)
}

const STATE = '/state/per-ten-seconds/k'

describe('a target that is not a path', () => {
  test.each([
    ...['*', '*@127.0.0.1:PORT/x', '*#@127.0.0.1:PORT/x', '*\\@127.0.0.1:PORT/x'],
    ...['http://127.0.0.1:PORT/x', 'http://localhost/x', '@127.0.0.1:PORT/x', '/\xe9', '/a\tb'],
  ])('%s: 400 from the parent, and nobody is asked', async (target) => {
    const other = await elsewhere()
    const { port } = await parentOf(other.port)
    const path = target.replace('PORT', String(other.port))
    for (const method of ['GET', 'POST']) {
      expect(await statusOfRaw(port, `${method} ${path} HTTP/1.1\r\nhost: localhost`)).toBe(400)
    }
    expect(other.asked).toEqual([])
  })

  test.each(['//127.0.0.1:1/x', '/@127.0.0.1:1/x', '/\\@127.0.0.1:1', '/x#y'])(
    '%s is one, of the worker',
    async (target) => {
      const worker = await elsewhere()
      const { port } = await parentOf(worker.port)
      const head = `GET ${target} HTTP/1.1\r\nhost: localhost`
      expect(await statusOfRaw(port, head)).toBe(200)
      expect(worker.asked.map(({ url }) => url)).toEqual([target])
    },
  )
})

test('the body of a request that is passed on is not taken for the next one', async () => {
  const worker = await elsewhere()
  const { port } = await parentOf(worker.port)
  for (const target of ['/a', '/b']) {
    const head = `GET ${target} HTTP/1.1\r\nhost: localhost`
    expect(await statusOfRaw(port, head, `GET /hidden HTTP/1.1\r\nhost: localhost\r\n\r\n`)).toBe(
      200,
    )
  }
  expect(worker.asked.map(({ url }) => url)).toEqual(['/a', '/b'])
})

describe('with a token', () => {
  const PROBES = ['GET /health', 'GET /v2/health/live', 'GET /v2/health/ready']
  const OTHERS = [
    ...['POST /predict', 'POST /predict/per-ten-seconds', `GET ${STATE}`, 'GET /v2', 'GET /v2/'],
    ...['GET /v2/models/m', 'GET /v2/models/m/ready', 'POST /v2/models/m/infer'],
    ...['GET /v2/models/m/versions/1', 'GET /v2/models/m/versions/1/ready'],
    'POST /v2/models/m/versions/1/infer',
  ]

  test('probes alone are answered without it, by a worker and by its parent', async () => {
    const worker = await workerWith('nobody', 'T')
    const parent = await parentOf(worker.port, 'T')
    const isRefused = async (port: number, route: string, header: string) =>
      (await statusOfRaw(port, `${route} HTTP/1.1\r\nhost: x${header}`)) === 401
    const headers = ['', '\r\nauthorization: Bearer X', '\r\nauthorization: Bearer T']
    const found = [worker, parent].flatMap(({ port }) =>
      [...PROBES, ...OTHERS].map(async (route) => {
        const refused = headers.map((header) => isRefused(port, route, header))
        return [route, ...(await Promise.all(refused))]
      }),
    )
    const wanted = [
      ...PROBES.map((route) => [route, false, false, false]),
      ...OTHERS.map((route) => [route, true, true, false]),
    ]
    expect(await Promise.all(found)).toEqual([...wanted, ...wanted])
  })

  test('no route is missing above', () => {
    const of = { topologies: prepared.topologies, membership: () => null }
    const missing = [...modelRoutes([]), ...topologyRoutes(of)].filter(
      (route) => ![...PROBES, ...OTHERS].some((one) => isOf(route, one)),
    )
    expect(missing).toEqual([])
  })

  test('a parent asks nobody for who has not got it', async () => {
    const worker = await elsewhere()
    const { port } = await parentOf(worker.port, 'T')
    expect(await statusOfRaw(port, 'GET /anything HTTP/1.1\r\nhost: x')).toBe(401)
    expect(worker.asked).toEqual([])
  })
})

describe('a request for a partition of another worker', () => {
  const ask = `GET ${STATE} HTTP/1.1`

  test.each([
    ['127.0.0.1', '127.0.0.1:PORT'],
    ['::1', '[::1]:PORT'],
    ['::1', '::1:PORT'],
  ])('goes to %s by %s, as localhost where there is no token', async (host, address) => {
    const owner = await elsewhere(host)
    const worker = await workerWith(address.replace('PORT', `${owner.port}#2`))
    expect(await statusOfRaw(worker.port, `${ask}\r\nhost: 127.0.0.1`)).toBe(200)
    expect(owner.asked.map(({ url, headers }) => [url, headers])).toMatchObject([
      [STATE, { host: 'localhost', 'tidemark-forwarded': 'true', 'tidemark-worker': '2' }],
    ])
  })

  test('names its owner where there is a token, for a proxy between them', async () => {
    const owner = await elsewhere()
    const worker = await workerWith(`127.0.0.1:${owner.port}`, 'T')
    const head = `${ask}\r\nhost: x\r\nauthorization: Bearer T`
    expect(await statusOfRaw(worker.port, head)).toBe(200)
    const host = `127.0.0.1:${owner.port}`
    expect(owner.asked.map(({ headers }) => headers)).toMatchObject([
      { host, authorization: 'Bearer T' },
    ])
  })

  test.each([
    ...['127.0.0.1:PORT/x', 'a@127.0.0.1:PORT', '127.0.0.1:PORT\r\nx: y', '127.0.0.1:PORT#', 'x'],
    ...['', ':PORT', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:70000', 'wörker:PORT', '日本:PORT'],
  ])('is answered with 503 where a member says that it is at "%s"', async (address) => {
    const owner = await elsewhere()
    const worker = await workerWith(address.replace('PORT', String(owner.port)))
    expect(await statusOfRaw(worker.port, `${ask}\r\nhost: localhost`)).toBe(503)
    expect(owner.asked).toEqual([])
  })

  test('goes on once: 503 where it has come from another worker', async () => {
    const owner = await elsewhere()
    const worker = await workerWith(`127.0.0.1:${owner.port}`)
    const parent = await parentOf(worker.port)
    for (const { port } of [worker, parent]) {
      const head = `${ask}\r\nhost: localhost\r\ntidemark-forwarded: true`
      expect(await statusOfRaw(port, head)).toBe(503)
    }
    expect(owner.asked).toEqual([])
  })
})
