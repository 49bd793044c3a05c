import { createRequire } from 'node:module'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { patchConnections } from '../../src/connect/kafka/client/connections.ts'

// The library's connections and their queues of requests as this driver mends them, on a socket
// that is none.

const require = createRequire(import.meta.url)
const LIMIT_MS = 10_000

interface Queue {
  readonly throttleCheckTimeoutId: unknown
  push(request: object): void
  fulfillRequest(answer: object): void
  maybeThrottle(ms: number | null | undefined): void
  destroy(): void
}

interface Connection {
  readonly requestQueue: Queue
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
}

class FakeSocket {
  bytesRead = 0
  /** Why it was destroyed; '' for no reason. */
  endedBy: string | null = null
  readonly #on = new Map<string, (of?: unknown) => void>()

  on(event: string, listener: (of?: unknown) => void): this {
    this.#on.set(event, listener)
    return this
  }

  removeAllListeners(event: string): void {
    this.#on.delete(event)
  }

  emit(event: 'data' | 'end' | 'error', of?: unknown): void {
    this.#on.get(event)?.(of)
  }

  destroy(error?: Error): void {
    this.endedBy ??= error?.message ?? ''
  }

  end(): void {}
  unref(): void {}
}

/** An answer as it comes over the wire. */
function answerBytes(correlationId: number, payload: string): Buffer {
  const bytes = Buffer.alloc(8 + payload.length)
  bytes.writeInt32BE(4 + payload.length, 0)
  bytes.writeInt32BE(correlationId, 4)
  bytes.write(payload, 8)
  return bytes
}

/** A connection of the library whose socket the test holds. */
class Line {
  readonly written: number[] = []
  /** Why requests failed, by correlation id. */
  readonly failed = new Map<number, string>()
  /** Payloads of the answers, by correlation id. */
  readonly answered = new Map<number, string>()
  /** The newest, and those before it. */
  readonly sockets: FakeSocket[] = []
  readonly queue: Queue
  readonly connection: Connection
  readonly connected: Promise<unknown>

  constructor() {
    const KafkaConnection = require('kafkajs/src/network/connection') as new (
      options: object,
    ) => Connection
    const logger = { namespace: () => logger, debug() {}, warn() {}, error() {} }
    const connection = new KafkaConnection({
      ...{ host: 'h', port: 1, logger, requestTimeout: LIMIT_MS, connectionTimeout: 1_000 },
      socketFactory: ({ onConnect }: { onConnect: () => void }) => {
        queueMicrotask(onConnect)
        this.sockets.unshift(new FakeSocket())
        return this.socket
      },
    })
    this.connection = connection
    this.queue = connection.requestQueue
    this.connected = connection.connect()
  }

  ask(correlationId: number, { apiName = 'Produce', requestTimeout = 0 } = {}): void {
    this.queue.push({
      entry: {
        ...{ apiName, correlationId },
        resolve: ({ payload }: { payload: Buffer }) =>
          void this.answered.set(correlationId, payload.toString()),
        reject: ({ message }: Error) => void this.failed.set(correlationId, message),
      },
      expectResponse: true,
      requestTimeout,
      sendRequest: () => this.written.push(correlationId),
    })
  }

  get socket(): FakeSocket {
    return this.sockets[0] as FakeSocket
  }

  /** Why the connection was ended. */
  get ended(): string | null {
    return this.socket.endedBy
  }

  answer(correlationId: number): void {
    this.socket.bytesRead += 10
    this.queue.fulfillRequest({ correlationId, size: 10, payload: Buffer.alloc(10) })
  }
}

let line: Line

beforeEach(async () => {
  patchConnections()
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
  })
  line = new Line()
  await line.connected
})

afterEach(() => {
  line.queue.destroy()
  vi.useRealTimers()
})

/** All that only waits for promises has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve))
const pass = (ms: number) => vi.advanceTimersByTime(ms)

test('a wall clock that is set, to whatever time, lets nothing time out and holds nothing back', () => {
  line.ask(1)
  vi.setSystemTime(Date.now() + 3_600_000)
  pass(9_900)
  expect(line.ended).toBeNull()
  line.answer(1)
  line.queue.maybeThrottle(1_000)
  vi.setSystemTime(Date.now() - 7_200_000)
  line.ask(2)
  pass(1_001)
  expect(line.written).toEqual([1, 2])
  pass(LIMIT_MS + 200)
  expect(line.ended).toBe('no answer to Produce in 10000 ms')
})

test('an answer that is overdue ends the connection, with all that is on its way', () => {
  line.ask(1)
  pass(LIMIT_MS)
  expect(line.ended).toBeNull()
  pass(200)
  expect(line.ended).toBe('no answer to Produce in 10000 ms')
})

test('what was asked just when the connection was ended fails, and is not waited for', async () => {
  const disconnected = line.connection.disconnect()
  line.ask(1)
  await disconnected
  line.socket.emit('end')
  expect(line.failed).toEqual(new Map([[1, 'Connection error: it has ended']]))
})

test('half an answer that came before a connection broke is no part of what comes over the next one', async () => {
  line.ask(1)
  line.socket.emit('data', answerBytes(1, 'first').subarray(0, 10))
  line.socket.emit('error', new Error('reset'))
  expect(line.failed).toEqual(new Map([[1, 'Connection error: reset']]))
  await settled()
  await line.connection.connect()
  line.ask(2)
  line.socket.emit('data', answerBytes(2, 'second'))
  expect(line.answered).toEqual(new Map([[2, 'second']]))
})

test('a socket has nothing more to say once the next one is there', async () => {
  await line.connection.disconnect()
  await line.connection.connect()
  line.ask(1)
  const before = line.sockets[1]
  expect(before?.endedBy).toBe('')
  before?.emit('data', answerBytes(1, 'stale'))
  before?.emit('error', new Error('stale'))
  before?.emit('end')
  await settled()
  expect([line.answered.size, line.failed.size, line.ended]).toEqual([0, 0, null])
  line.socket.emit('data', answerBytes(1, 'fresh'))
  expect(line.answered).toEqual(new Map([[1, 'fresh']]))
})

test('what was asked over a socket that is gone fails when the next one is made', async () => {
  await line.connection.disconnect()
  line.ask(1)
  await line.connection.connect()
  expect(line.failed).toEqual(new Map([[1, 'Connection error: it has ended']]))
})

test.each([0, 3, -1])(
  'an answer of %i bytes ends the connection, and not the process',
  (length) => {
    const bytes = Buffer.alloc(12)
    bytes.writeInt32BE(length)
    line.socket.emit('data', bytes)
    expect(line.ended).toMatch(/./)
  },
)

test('all who ask for a connection while it is made get the same', async () => {
  await line.connection.disconnect()
  await Promise.all([line.connection.connect(), line.connection.connect()])
  expect(line.sockets).toHaveLength(2)
  await line.connection.disconnect()
  await line.connection.connect()
  expect(line.sockets).toHaveLength(3)
})

test('its time begins when a request is written, not when it is asked for', () => {
  line.queue.maybeThrottle(30_000)
  line.ask(1)
  pass(29_900)
  expect(line.written).toEqual([])
  pass(100 + 9_900)
  expect(line.written).toEqual([1])
  expect(line.ended).toBeNull()
  pass(300)
  expect(line.ended).toBe('no answer to Produce in 10000 ms')
})

test('the time for which a broker throttles is added to the time of what was written before', () => {
  line.ask(1)
  line.ask(2)
  pass(1_000)
  line.answer(1)
  line.queue.maybeThrottle(60_000)
  pass(60_000 + 9_900)
  expect(line.ended).toBeNull()
  pass(300)
  expect(line.ended).toBe('no answer to Produce in 10000 ms')
})

test('a shorter throttle does not end a longer one', () => {
  line.queue.maybeThrottle(5_000)
  line.queue.maybeThrottle(100)
  line.ask(1)
  pass(4_900)
  expect(line.written).toEqual([])
  pass(101)
  expect(line.written).toEqual([1])
})

test('what comes just when a throttle ends goes out', () => {
  line.queue.maybeThrottle(1_000)
  pass(1_000)
  const clock = vi.spyOn(performance, 'now')
  clock.mockReturnValueOnce(performance.now() - 0.1)
  line.ask(1)
  expect(line.written).toEqual([])
  clock.mockRestore()
  pass(1)
  expect(line.written).toEqual([1])
})

test('nothing is overdue behind a request that waits on purpose, until that one is', () => {
  line.ask(1, { apiName: 'JoinGroup', requestTimeout: 35_000 })
  pass(1_000)
  line.ask(2, { apiName: 'Metadata' })
  pass(33_900)
  expect(line.ended).toBeNull()
  line.answer(1)
  pass(LIMIT_MS)
  expect(line.ended).toBeNull()
  pass(200)
  expect(line.ended).toBe('no answer to Metadata in 10000 ms')
})

test('a request that waits on purpose is overdue by its own time, whatever is behind it', () => {
  line.ask(1, { apiName: 'JoinGroup', requestTimeout: 35_000 })
  line.ask(2, { apiName: 'Metadata' })
  pass(35_200)
  expect(line.ended).toBe('no answer to JoinGroup in 35000 ms')
})

test('an answer that is arriving, however slowly, is not overdue', () => {
  line.ask(1)
  for (let second = 0; second < 60; second++) {
    pass(1_000)
    line.socket.bytesRead += 100
  }
  expect(line.ended).toBeNull()
  pass(LIMIT_MS + 300)
  expect(line.ended).toBe('no answer to Produce in 10000 ms')
})

test('a process that stood still reads what has come before it judges', () => {
  line.ask(1)
  const standing = performance.now() + 30_000
  const clock = vi.spyOn(performance, 'now').mockReturnValue(standing)
  pass(100)
  expect(line.ended).toBeNull()
  clock.mockReturnValue(standing + LIMIT_MS + 300)
  line.answer(1)
  pass(100)
  expect(line.ended).toBeNull()
  clock.mockRestore()
})

test('an answer that says nothing of throttling holds nothing back', () => {
  for (const ms of [undefined, null, 0]) line.queue.maybeThrottle(ms)
  line.ask(1)
  expect(line.written).toEqual([1])
})

test('no timer is set while nothing waits to be sent', () => {
  line.ask(1)
  line.answer(1)
  expect(line.queue.throttleCheckTimeoutId).toBeNull()
})
