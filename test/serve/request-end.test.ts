import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Observer } from '../../src/runtime/events.ts'
import { type HttpReply, httpRoute, probeRoute } from '../../src/serve/request.ts'
import { RequestServer } from '../../src/serve/request-server.ts'
import { until } from '../services/cluster.ts'
import { connected, raw } from './on-connection.ts'

// A request is answered and over in time, whatever happens.

const LARGEST = 2 ** 26
const HOST = 'HTTP/1.1\r\nhost: localhost'
/** A request whose answer never comes. */
const HUNG = `POST /hung ${HOST}\r\ncontent-length: 0\r\n\r\n`
/** One that does not come itself. */
const PARTIAL = `POST /hung ${HOST}\r\ncontent-length: 9\r\n\r\nabc`

const circle: { self?: object } = {}
circle.self = circle
const NOT_TO_BE_SENT: readonly (readonly [string, HttpReply])[] = [
  ['a header with a line break', { headers: { x: 'a\r\nb' }, body: {} }],
  ['a header in Chinese', { headers: { x: '日本' }, body: {} }],
  ['a status of 7', { status: 7, body: {} }],
  ['an object in itself', { body: circle }],
  ['a number that JSON has not', { body: { n: 1n } }],
]

let server: RequestServer
const reached = vi.fn<() => void>()
const observer = vi.fn<Observer>()
let reply: HttpReply

/** Time stands still unless a test moves it: no request is late because the machine is busy. */
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  observer.mockReset()
  reached.mockReset()
  reply = { body: {} }
  const routes = [
    probeRoute('live', 'GET /live', () => ({ body: { live: true } })),
    httpRoute('none', 'GET /reply', () => reply),
    httpRoute('none', 'GET /hold/(?<bytes>\\d+)', (asked) => {
      asked.hold(Number(asked.names['bytes']))
      return { body: {} }
    }),
    httpRoute('none', 'POST /hung', () => {
      reached()
      return new Promise<HttpReply>(() => {})
    }),
  ]
  server = await RequestServer.listen({ port: 0, routes, observer })
})
afterEach(async () => {
  vi.useRealTimers()
  await server.close()
})

/** Waits until so many requests are at their route. */
const hung = (count: number) => until('at the route', () => reached.mock.calls.length === count)
/** Waits until so many requests are answered. */
const answered = (count: number) => until('answered', () => observer.mock.calls.length === count)
/** Waits until so many requests have come. */
const come = (count: number) => until('there', () => vi.getTimerCount() === count)
/** Waits until no request holds memory. */
const left = () => until('gone', () => server.heldBytes === 0)
const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`)
const statusOf = (answer: string) => Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1])

describe('a request ends', () => {
  test('after 10 s, with 503, whether its answer does not come or its body', async () => {
    const answers = [raw(server.port, HUNG), raw(server.port, PARTIAL)]
    await hung(1)
    await come(2)
    await vi.advanceTimersByTimeAsync(10_000)
    await answered(2)
    // The first connection stays open for the next request.
    await server.close()
    expect((await Promise.all(answers)).map(statusOf)).toEqual([503, 503])
  })

  test('after 30 s where its answer is not read', async () => {
    reply = { body: [Buffer.alloc(LARGEST)] }
    const socket = await connected(server.port, `GET /reply ${HOST}\r\n\r\n`)
    await answered(1)
    expect(server.heldBytes).toBeGreaterThan(LARGEST / 2)
    await vi.advanceTimersByTimeAsync(40_000)
    await left()
    socket.destroy()
  })

  test('2 s after its server closes, and a connection that has asked nothing at once', async () => {
    reply = { body: [Buffer.alloc(LARGEST)] }
    const sockets = await Promise.all(
      [HUNG, PARTIAL, `GET /reply ${HOST}\r\n\r\n`].map((text) => connected(server.port, text)),
    )
    const silent = await connected(server.port, '')
    await hung(1)
    await come(3)
    const ended = once(silent, 'close')
    silent.resume()
    const closed = server.close()
    await ended
    await vi.advanceTimersByTimeAsync(2_000)
    await closed
    expect(observer).toHaveBeenCalledTimes(3)
    for (const socket of sockets) socket.destroy()
  })
})

describe('an answer', () => {
  test.each(NOT_TO_BE_SENT)('that cannot be sent, with %s, is 500', async (_, bad) => {
    const warned = once(process, 'warning')
    reply = bad
    expect((await get('/reply')).status).toBe(500)
    expect(await warned).toMatchObject([
      { message: expect.stringContaining('answering a request') },
    ])
    reply = { body: {} }
    expect((await get('/reply')).status).toBe(200)
  })

  test.each([
    ['a request that is refused', 'POST /nowhere', 404],
    ['bytes that are not a request', 'a request', 400],
  ])('to %s reaches who still sends', async (_, target, status) => {
    const body = 2 ** 20
    const head = `${target} ${HOST}\r\nconnection: close\r\ncontent-length: ${body}\r\n\r\n`
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    const failed = vi.fn<() => void>()
    socket.on('error', failed)
    socket.write(head)
    const [answer] = await once(socket, 'data')
    expect(statusOf(String(answer))).toBe(status)
    await new Promise((resolve) => socket.write(Buffer.alloc(body / 2), resolve))
    socket.end(Buffer.alloc(body / 2))
    await once(socket.resume(), 'close')
    expect(failed).not.toHaveBeenCalled()
  })

  test('of more than 64 MiB is 413', async () => {
    reply = { body: [Buffer.alloc(LARGEST), Buffer.alloc(1)] }
    expect((await get('/reply')).status).toBe(413)
  })

  test('is sent although its observer fails', async () => {
    const warned = once(process, 'warning')
    observer.mockImplementation(() => {
      throw new Error('a secret')
    })
    expect((await get('/reply')).status).toBe(200)
    expect(await warned).toMatchObject([{ message: 'answering a request failed: Error' }])
  })

  test('has memory while those that have not left hold less than 256 MiB', async () => {
    reply = { body: [Buffer.alloc(LARGEST)] }
    const sockets: Socket[] = []
    const ask = async () => {
      const count = observer.mock.calls.length
      sockets.push(await connected(server.port, `GET /reply ${HOST}\r\n\r\n`))
      await answered(count + 1)
    }
    for (let i = 0; i < 5; i++) await ask()
    const codes = observer.mock.calls.map(([event]) => 'code' in event && event.code)
    expect(codes).toEqual([200, 200, 200, 200, 503])
    // A little is always there, for probes too.
    const held = [await get('/hold/16384'), await get('/hold/16385')]
    expect(held.map(({ status }) => status)).toEqual([200, 503])
    for (const socket of sockets) socket.destroy()
    await left()
  })
})

describe('at the most connections', () => {
  const many = (count: number, text: string) =>
    Promise.all(Array.from({ length: count }, () => connected(server.port, text)))

  test('idle ones are closed for who comes next', async () => {
    const idle = await many(960, '')
    const all = idle.map((socket) => {
      socket.resume()
      const asked = once(socket, 'data')
      socket.write(`GET /reply ${HOST}\r\n\r\n`)
      return asked
    })
    await Promise.all(all)
    const last = idle.map((socket) => once(socket, 'close'))
    expect((await get('/reply')).status).toBe(200)
    await Promise.all(last)
  })

  test('probes are answered, for which the oldest of the last make room, and nothing else is', async () => {
    const usual = [...(await many(480, HUNG)), ...(await many(480, PARTIAL))]
    await hung(480)
    // These never ask anything, and have no end but that of those who come after them.
    const silent = Array.from({ length: 100 }, () => raw(server.port, 'GET /live'))
    expect(await Promise.all(silent.slice(0, 36))).toEqual(Array(36).fill(''))
    for (let i = 0; i < 70; i++) {
      const answer = await get('/live')
      expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close'])
    }
    const other = await get('/reply')
    expect([other.status, other.headers.get('connection')]).toEqual([503, 'close'])
    for (const socket of usual) socket.destroy()
  })

  test('a probe with a body that does not come is answered', async () => {
    const answer = await raw(server.port, `GET /live ${HOST}\r\ncontent-length: 9\r\n\r\nabc`)
    expect(statusOf(answer)).toBe(200)
  })
})
