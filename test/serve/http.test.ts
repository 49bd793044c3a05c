import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect, Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { STARTING } from '../../src/observe/status.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { probesOf } from '../../src/serve/health.ts'
import { serveHttp } from '../../src/serve/http.ts'
import type { RequestServer } from '../../src/serve/request-server.ts'
import { samples } from '../observe/events.ts'
import { observedAfter, observedMetrics } from '../observe/observed.ts'

const { metrics } = observedMetrics([])
const status = async () => [{ worker: null, ...STARTING }]

/** The answer of a path of a worker after these events. */
async function ask(path: string, ...events: readonly RuntimeEvent[]) {
  const probes = probesOf(observedAfter(...events))
  const server = await serveHttp({ port: 0, probes, metrics, status })
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`)
  const body: unknown = await answer.json()
  await server.close()
  return { status: answer.status, body }
}

const unavailable: RuntimeEvent = {
  type: 'state',
  state: 'unavailable',
  reason: 'no broker answered at 127.0.0.1:9092',
}

describe('/readyz', () => {
  test('is 503 before the worker runs', async () => {
    expect(await ask('/readyz')).toEqual({
      status: 503,
      body: { ready: false, state: 'starting', partitions: 0, restoring: 0 },
    })
  })

  test('is 503 while windows are restored, with the records that are left', async () => {
    const other = { ...samples.restoring, topology: 'card-minutes', nextOffset: 90 }
    const [assigned, restoring] = [samples.assigned, samples.restoring]
    expect(await ask('/readyz', samples.state, assigned, restoring, other)).toMatchObject({
      status: 503,
      body: { ready: false, restoring: 2, restoringLeft: { records: 50 } },
    })
  })

  test('is 200 while it runs, with the partitions that it has', async () => {
    const other = { ...samples.assigned, topology: 'card-minutes' }
    expect(await ask('/readyz', samples.assigned, samples.assigned, other, samples.state)).toEqual({
      status: 200,
      body: { ready: true, state: 'running', partitions: 2, restoring: 0 },
    })
  })

  test('is 200 when the group gave it no partition', async () => {
    expect((await ask('/readyz', samples.state)).status).toBe(200)
    expect(await ask('/readyz', samples.state, samples.assigned, samples.lost)).toEqual({
      status: 200,
      body: { ready: true, state: 'running', partitions: 0, restoring: 0 },
    })
  })

  test('is 503 with the reason when the broker is gone, and without it once it is back', async () => {
    expect(await ask('/readyz', samples.state, unavailable)).toEqual({
      status: 503,
      body: {
        ready: false,
        state: 'unavailable',
        partitions: 0,
        restoring: 0,
        reason: 'no broker answered at 127.0.0.1:9092',
      },
    })
    expect((await ask('/readyz', unavailable, samples.state)).body).not.toHaveProperty('reason')
  })

  test.each(['stopping', 'stopped', 'failed'] as const)('is 503 when %s', async (state) => {
    expect((await ask('/readyz', samples.state, { type: 'state', state })).status).toBe(503)
  })
})

test('/livez does not depend on the broker', async () => {
  expect(await ask('/livez', unavailable)).toEqual({ status: 200, body: { live: true } })
})

describe('the server', () => {
  let server: RequestServer | undefined
  afterEach(() => server?.close())

  const serve = async (port: number) => {
    server = await serveHttp({ port, probes: probesOf(observedAfter()), metrics, status })
    return server
  }

  test('listens on 127.0.0.1, on any free port for 0, and gives the metrics', async () => {
    const { host, port } = await serve(0)
    expect(host).toBe('127.0.0.1')
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe(metrics.contentType)
    expect(await answer.text()).toContain('tidemark_build_info{version="0.1.0"')
  })

  test('answers HEAD as GET, without the body', async () => {
    const { port } = await serve(0)
    const answer = await fetch(`http://127.0.0.1:${port}/livez`, { method: 'HEAD' })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  })

  test('knows no other path', async () => {
    const { port } = await serve(0)
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404)
  })

  test('answers no more once it is closed', async () => {
    const worker = await serve(0)
    const { port } = worker
    await (await fetch(`http://127.0.0.1:${port}/livez`)).text()
    await worker.close()
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow('fetch failed')
  })

  test('closes although a connection has asked nothing', async () => {
    const { port } = await serve(0)
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    await (await fetch(`http://127.0.0.1:${port}/livez`)).text()
    const ended = once(socket, 'close')
    socket.resume()
    await server?.close()
    await expect(ended).resolves.toEqual([false])
  })

  test('goes on when a connection cannot be taken, and warns of it', async () => {
    const listen = vi.spyOn(Server.prototype, 'listen')
    const { port } = await serve(0)
    const [listening] = listen.mock.contexts as Server[]
    listen.mockRestore()
    const warned = once(process, 'warning')
    listening?.emit('error', new Error('accept EMFILE'))
    expect(await warned).toMatchObject([{ message: 'serving HTTP failed: accept EMFILE' }])
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200)
  })

  test('says when the port is in use', async () => {
    const { port } = await serve(0)
    await expect(
      serveHttp({ port, probes: probesOf(observedAfter()), metrics, status }),
    ).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `cannot serve HTTP on 127.0.0.1:${port}: the port is in use`,
      hint: 'choose another port with --http-port; 0 picks a free one, off serves nothing',
    })
  })

  test.each([
    ['a port that is none', { port: 70_000 }, 'ERR_SOCKET_BAD_PORT'],
    ['an address of another machine', { port: 0, host: '192.0.2.1' }, 'EADDRNOTAVAIL'],
  ])('refuses %s', async (_, address, why) => {
    const options = { ...address, probes: probesOf(observedAfter()), metrics, status }
    await expect(serveHttp(options)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(why),
    })
  })
})

describe('/status', () => {
  let server: RequestServer
  afterEach(() => server.close())

  /** The status of an answer, asked under a host, with a token. */
  async function answerOf(host: string, { token = '', method = 'GET' } = {}) {
    const headers = { host, ...(token !== '' && { authorization: `Bearer ${token}` }) }
    const asked = request({ port: server.port, path: '/status', method, headers })
    asked.end()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    return { code: answer.statusCode, body: (await text(answer)).trim() }
  }
  const serve = async (token?: string) => {
    const probes = probesOf(observedAfter())
    server = await serveHttp({ port: 0, probes, metrics, status, token: token ?? null })
  }

  test('says the status of each worker to who asks under an address, and to GET alone', async () => {
    await serve()
    const { code, body } = await answerOf('127.0.0.1')
    expect([code, JSON.parse(body)]).toEqual([200, { workers: [{ worker: null, ...STARTING }] }])
    expect((await answerOf('localhost:9464')).code).toBe(200)
    expect((await answerOf('example.org')).code).toBe(403)
    expect((await answerOf('127.0.0.1', { method: 'POST' })).code).toBe(405)
  })

  test('needs the token where there is one, under any host; probes and metrics do not', async () => {
    await serve('secret')
    expect((await answerOf('127.0.0.1')).code).toBe(401)
    expect((await answerOf('127.0.0.1', { token: 'other' })).code).toBe(401)
    expect((await answerOf('workers.example.org', { token: 'secret' })).code).toBe(200)
    const open = await Promise.all(
      ['/livez', '/metrics'].map((path) => fetch(`http://127.0.0.1:${server.port}${path}`)),
    )
    expect(open.map((answer) => answer.status)).toEqual([200, 200])
  })
})
