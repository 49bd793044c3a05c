import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import kafkajs from 'kafkajs'

// Patches of the library's connections and request queues, for its requests and for our own.
// - The queue uses the wall clock: when that is set, all requests time out at once, or none does.
// - It counts time in which a throttling broker reads nothing on purpose (KIP-219).
// - After a timeout it goes on with a connection on which bytes are in flight: it writes them twice.
// - It drops requests in flight on a connection that it considers closed: callers wait forever.
// - It checks every millisecond for requests that wait (kafkajs#1704), several percent of a core.
// - A connection goes on with half a response of the previous socket, and with its events.
// - Whoever requests a connection while it is being opened gets a second socket.
// - An invalid response ends the process.
// - It authenticates 10 s before a session ends (KIP-368): with short ones before every request.
// Here the next request after a session is due authenticates; requests meanwhile wait.
// The patches hold for all drivers of the process, and use the monotonic clock.
// Private to kafkajs 2.2.4: network/requestQueue/index.js, network/connection.js,
// broker/saslAuthenticator/index.js.

interface SocketRequest {
  readonly entry: {
    readonly apiKey: number
    readonly apiName: string
    readonly apiVersion: number
    readonly correlationId: number
    readonly resolve: (answer: { readonly payload: Buffer }) => void
    readonly reject: (error: Error) => void
  }
  readonly expectResponse: boolean
  readonly requestTimeout: number
  readonly sendRequest: () => void
}

interface RequestQueue {
  readonly inflight: ReadonlyMap<number, SocketRequest>
  readonly pending: readonly SocketRequest[]
  readonly maxInFlightRequests: number | null
  /** By `performance.now()`. */
  throttledUntil: number
  requestTimeoutIntervalId: NodeJS.Timeout | undefined
  throttleCheckTimeoutId: NodeJS.Timeout | null
  isConnected(): boolean
  destroy(): void
  push(request: SocketRequest): void
  maybeThrottle(ms: number): void
  rejectAll(error: Error): void
  checkPendingRequests(): void
  fulfillRequest(answer: { size: number; correlationId: number; payload: Buffer }): void
}

/** The used private parts of a connection. */
export interface Connection {
  readonly clientId: string
  readonly requestQueue: RequestQueue
  readonly socket: Socket | undefined
  /** Set during authentication; received bytes then belong to these handlers. */
  readonly authHandlers: object | null
  chunks: readonly Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  /** `null`: it is not authenticated. */
  readonly authenticatedAt: unknown
  /** ms; 0: no limit */
  readonly sessionLifetime: { toNumber(): number }
  isConnected(): boolean
  isAuthenticated(): boolean
  authenticate(): Promise<void>
  nextCorrelationId(): number
  failIfNotConnected(): void
}

type Methods = Record<string, (...args: never[]) => unknown>

const WORD_BYTES = 4
const LOOK_MS = 100
/** A check that comes this much too late means that the process stood still, ms. */
const STOOD_STILL_MS = 1_000

/** When requests were written, by `performance.now()`. */
const sentMs = new WeakMap<SocketRequest, number>()
const connectionOf = new WeakMap<RequestQueue, Connection>()
const framers = new WeakMap<Connection, ResponseFramer>()

let isPatched = false

export function patchConnections(): void {
  if (isPatched) return
  isPatched = true
  const require = createRequire(import.meta.url)
  const prototypeOf = (path: string) => (require(path) as { readonly prototype: Methods }).prototype
  const connection = prototypeOf('kafkajs/src/network/connection')
  patchConnection(connection)
  patchQueue(prototypeOf('kafkajs/src/network/requestQueue'))
  patchAuthentication(connection, prototypeOf('kafkajs/src/broker/saslAuthenticator'))
}

function patchConnection(connection: Methods): void {
  const { connect, disconnect, processData } = connection
  Object.assign(connection, {
    connect: shared((patched) => {
      if (!patched.isConnected()) resetConnection(patched)
      connectionOf.set(patched.requestQueue, patched)
      return connect?.call(patched)
    }),
    disconnect: shared((patched) => disconnect?.call(patched)),
    processData(this: Connection, bytes: Buffer) {
      try {
        // The socket will overwrite this buffer.
        if (this.authHandlers !== null) processData?.call(this, Buffer.from(bytes) as never)
        else framerOf(this).add(bytes, (answer) => fulfil(answer, this.requestQueue))
      } catch (error) {
        this.socket?.destroy(error as Error)
      }
    },
  })
}

function framerOf(connection: Connection): ResponseFramer {
  const framer = framers.get(connection) ?? new ResponseFramer()
  framers.set(connection, framer)
  return framer
}

function fulfil(answer: Buffer, queue: RequestQueue): void {
  const correlationId = answer.readInt32BE()
  queue.fulfillRequest({ size: answer.length, correlationId, payload: answer.subarray(WORD_BYTES) })
}

function shared(work: (connection: Connection) => unknown): (this: Connection) => Promise<unknown> {
  const running = new WeakMap<Connection, Promise<unknown>>()
  return function (this: Connection) {
    const before = running.get(this)
    if (before !== undefined) return before
    const outcome = Promise.resolve(work(this)).finally(() => running.delete(this))
    running.set(this, outcome)
    return outcome
  }
}

function resetConnection(connection: Connection): void {
  const { socket } = connection
  for (const event of ['data', 'end', 'error', 'timeout']) socket?.removeAllListeners(event)
  socket?.on('error', () => {}).destroy()
  connection.requestQueue.destroy()
  connection.chunks = []
  connection.bytesBuffered = 0
  connection.bytesNeeded = WORD_BYTES
  framerOf(connection).clear()
}

function patchQueue(queue: Methods): void {
  const { sendSocketRequest, destroy: stopTimers } = queue
  Object.assign(queue, {
    sendSocketRequest(this: RequestQueue, request: SocketRequest) {
      sentMs.set(request, performance.now())
      sendSocketRequest?.call(this, request as never)
    },
    maybeThrottle(this: RequestQueue, throttleMs: number | null | undefined) {
      const ms = throttleMs ?? 0
      if (ms > 0) this.throttledUntil = Math.max(this.throttledUntil, performance.now() + ms)
    },
    canSendSocketRequestImmediately(this: RequestQueue) {
      return !isFull(this) && this.throttledUntil <= performance.now()
    },
    scheduleCheckPendingRequests(this: RequestQueue) {
      // The answer to another request sends them.
      if (this.pending.length === 0 || isFull(this) || this.throttleCheckTimeoutId !== null) return
      // The throttling may have ended meanwhile.
      const leftMs = Math.max(1, Math.ceil(this.throttledUntil - performance.now()))
      this.throttleCheckTimeoutId = setTimeout(() => {
        this.throttleCheckTimeoutId = null
        this.checkPendingRequests()
      }, leftMs)
    },
    scheduleRequestTimeoutCheck(this: RequestQueue) {
      stopTimers?.call(this)
      this.requestTimeoutIntervalId = watch(this)
    },
    // The connection has ended: pending requests are never answered.
    destroy(this: RequestQueue) {
      stopTimers?.call(this)
      if (this.inflight.size + this.pending.length === 0) return
      this.rejectAll(new kafkajs.KafkaJSConnectionError('Connection error: it has ended'))
    },
  })
}

function isFull({ inflight, maxInFlightRequests }: RequestQueue): boolean {
  return maxInFlightRequests !== null && inflight.size >= maxInFlightRequests
}

/**
 * Destroys the connection when an answer is overdue, counted from when the request was written,
 * bytes last arrived, or throttling ended. A broker answers in order: behind a request that waits
 * on purpose, such as JoinGroup, nothing is late.
 */
function watch(queue: RequestQueue): NodeJS.Timeout {
  let lookedMs = performance.now()
  let heardMs = lookedMs
  let heardBytes = 0
  return setInterval(() => {
    const nowMs = performance.now()
    const hasStoodStill = nowMs - lookedMs > LOOK_MS + STOOD_STILL_MS
    lookedMs = nowMs
    if (!queue.isConnected()) return queue.destroy()
    const socket = connectionOf.get(queue)?.socket
    const bytes = socket?.bytesRead ?? 0
    if (bytes !== heardBytes || hasStoodStill) heardMs = nowMs
    heardBytes = bytes
    const [oldest] = queue.inflight.values()
    if (oldest === undefined) return
    const { requestTimeout, entry } = oldest
    const sinceMs = Math.max(sentMs.get(oldest) ?? nowMs, heardMs, queue.throttledUntil)
    if (nowMs - sinceMs <= requestTimeout) return
    socket?.destroy(new Error(`no answer to ${entry.apiName} in ${requestTimeout} ms`))
  }, LOOK_MS)
}

/** A longer response grows as its bytes arrive: the peer may not speak Kafka. */
const AT_ONCE_BYTES = 64 * 2 ** 20

/**
 * Splits the bytes of a connection into responses, each in its own buffer. The library keeps all
 * bytes until a response is complete, and then copies it: twice the memory, left to the garbage
 * collector.
 */
export class ResponseFramer {
  readonly #length = Buffer.alloc(WORD_BYTES)
  #into: Buffer = this.#length
  #filled = 0
  #wanted = WORD_BYTES

  clear(): void {
    this.#begin(this.#length, WORD_BYTES)
  }

  /**
   * The buffer may be overwritten afterwards.
   * @throws Error when the bytes cannot be a response; all that follow are invalid as well
   */
  add(bytes: Buffer, answered: (answer: Buffer) => void): void {
    for (let at = 0; at < bytes.length; ) {
      this.#makeRoom()
      const copied = bytes.copy(this.#into, this.#filled, at)
      at += copied
      this.#filled += copied
      if (this.#filled < this.#wanted) continue
      if (this.#into === this.#length) {
        const length = this.#length.readInt32BE()
        if (length < WORD_BYTES) throw new Error(`no answer has ${length} bytes`)
        this.#begin(Buffer.allocUnsafe(Math.min(length, AT_ONCE_BYTES)), length)
      } else {
        const answer = this.#into
        this.clear()
        answered(answer)
      }
    }
  }

  #begin(into: Buffer, wanted: number): void {
    this.#into = into
    this.#filled = 0
    this.#wanted = wanted
  }

  #makeRoom(): void {
    if (this.#filled < this.#into.length) return
    const larger = Buffer.allocUnsafe(Math.min(this.#wanted, 2 * this.#into.length))
    this.#into.copy(larger)
    this.#into = larger
  }
}

interface Authenticator {
  readonly connection: Connection & { readonly sasl: { readonly prepare?: () => Promise<void> } }
}

/** The part of a session after which it is renewed, as in Kafka's Java client. */
const RENEWED_AFTER = 0.85
/** A broker lets a connection begin again once a second (`KafkaChannel`), ms. */
const SHORTEST_MS = 1_050

/** When the last exchange began, by `performance.now()`; the broker's session begins later. */
const beganMs = new WeakMap<Connection, number>()

function patchAuthentication(connection: Methods, authenticator: Methods): void {
  const { authenticate } = authenticator
  Object.assign(connection, {
    isAuthenticated(this: Connection) {
      return this.authenticatedAt !== null && !isDue(this)
    },
  })
  Object.assign(authenticator, {
    async authenticate(this: Authenticator) {
      await this.connection.sasl.prepare?.()
      const nowMs = performance.now()
      await authenticate?.call(this)
      // The session is due until then, so that requests wait: one in the middle of an exchange is
      // refused (`ILLEGAL_SASL_STATE`).
      beganMs.set(this.connection, nowMs)
    },
  })
}

function isDue(connection: Connection): boolean {
  const lifeMs = connection.sessionLifetime.toNumber()
  if (lifeMs === 0) return false
  const ageMs = performance.now() - (beganMs.get(connection) ?? 0)
  return ageMs >= Math.max(lifeMs * RENEWED_AFTER, SHORTEST_MS)
}
