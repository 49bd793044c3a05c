import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import kafkajs from 'kafkajs'
import { Answers } from './answers.ts'

// Patches the library's connections and request queues, for the library's requests and for our own.
//
// The request queue uses the wall clock: when that is set, all requests time out at once, or none
// ever does. It counts time in which a throttling broker reads nothing on purpose (KIP-219) as time
// in which the broker could have answered. After a timeout it continues with a connection on which
// bytes may still be in flight, so that what is sent again is written twice. It drops the requests
// in flight on a connection that it considers closed, so that their callers wait forever. And it
// checks every millisecond for requests that wait to be sent (kafkajs#1704), which costs several
// percent of a core.
//
// A connection reads responses into twice the memory that they need. On its next socket it
// continues with what it had read from the previous one: half a response turns everything that
// follows into garbage, and nothing is ever answered again. Events of the previous socket are
// attributed to the next one. A caller that requests the connection while it is being opened gets a
// second socket. And an invalid response ends the process.
//
// The queues are patched for all drivers of the process at once, and use the process's monotonic
// clock: sockets know no other.
//
// Private to kafkajs 2.2.4: network/requestQueue/index.js, network/connection.js.

interface SocketRequest {
  readonly requestTimeout: number
  readonly entry: { readonly apiName: string }
}

interface RequestQueue {
  readonly inflight: ReadonlyMap<number, SocketRequest>
  readonly pending: readonly SocketRequest[]
  readonly maxInFlightRequests: number | null
  /** In terms of `performance.now()` here. */
  throttledUntil: number
  requestTimeoutIntervalId: NodeJS.Timeout | undefined
  throttleCheckTimeoutId: NodeJS.Timeout | null
  isConnected(): boolean
  destroy(): void
  rejectAll(error: Error): void
  checkPendingRequests(): void
  fulfillRequest(answer: {
    readonly size: number
    readonly correlationId: number
    readonly payload: Buffer
  }): void
}

interface Connection {
  readonly requestQueue: RequestQueue
  readonly socket: Socket | undefined
  /** Set during authentication; received bytes then belong to these handlers. */
  readonly authHandlers: object | null
  /** What these handlers received after their last complete response. */
  chunks: readonly Buffer[]
  bytesBuffered: number
  /** How many bytes must have arrived before they are parsed. */
  bytesNeeded: number
  isConnected(): boolean
}

type Patched<T> = { readonly prototype: T & Methods }
type Methods = Record<string, (...args: never[]) => unknown>

/** Size of a length and of a correlation id, bytes. */
const WORD_BYTES = 4
/** How often overdue answers are looked for, ms. */
const LOOK_MS = 100
/**
 * A check that comes this much too late means that the process stood still, ms; what has arrived
 * meanwhile is not read yet.
 */
const STOOD_STILL_MS = 1_000

/** When requests were written, by `performance.now()`. */
const sentMs = new WeakMap<SocketRequest, number>()
const connectionOf = new WeakMap<RequestQueue, Connection>()
const answersTo = new WeakMap<Connection, Answers>()

let isPatched = false

/** Patches the library, once. */
export function patchConnections(): void {
  if (isPatched) return
  isPatched = true
  const require = createRequire(import.meta.url)
  patchConnection((require('kafkajs/src/network/connection') as Patched<Connection>).prototype)
  patchQueue((require('kafkajs/src/network/requestQueue') as Patched<RequestQueue>).prototype)
}

function patchConnection(connection: Connection & Methods): void {
  const { connect, disconnect, processData } = connection as Methods
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
        else answersOf(this).add(bytes, (answer) => pass(answer, this.requestQueue))
      } catch (error) {
        this.socket?.destroy(error as Error)
      }
    },
  })
}

function answersOf(connection: Connection): Answers {
  const known = answersTo.get(connection) ?? new Answers()
  answersTo.set(connection, known)
  return known
}

/** Passes a response to the request that it answers. */
function pass(answer: Buffer, queue: RequestQueue): void {
  const correlationId = answer.readInt32BE()
  queue.fulfillRequest({ size: answer.length, correlationId, payload: answer.subarray(WORD_BYTES) })
}

/** Wraps a method so that concurrent calls share one execution. */
function shared(work: (of: Connection) => unknown): (this: Connection) => Promise<unknown> {
  const running = new WeakMap<Connection, Promise<unknown>>()
  return function (this: Connection) {
    const before = running.get(this)
    if (before !== undefined) return before
    const outcome = Promise.resolve(work(this)).finally(() => running.delete(this))
    running.set(this, outcome)
    return outcome
  }
}

/** Destroys the previous socket and drops everything that came from it. */
function resetConnection(connection: Connection): void {
  const { socket } = connection
  for (const event of ['data', 'end', 'error', 'timeout']) socket?.removeAllListeners(event)
  socket?.on('error', () => {}).destroy()
  connection.requestQueue.destroy()
  connection.chunks = []
  connection.bytesBuffered = 0
  connection.bytesNeeded = WORD_BYTES
  answersOf(connection).clear()
}

function patchQueue(queue: RequestQueue & Methods): void {
  const { sendSocketRequest, destroy: stopTimers } = queue as Methods
  Object.assign(queue, {
    sendSocketRequest(this: RequestQueue, request: SocketRequest) {
      sentMs.set(request, performance.now())
      sendSocketRequest?.call(this, request as never)
    },
    maybeThrottle(this: RequestQueue, given: number | null | undefined) {
      // Not every response has a throttle time.
      const ms = given ?? 0
      if (ms > 0) this.throttledUntil = Math.max(this.throttledUntil, performance.now() + ms)
    },
    canSendSocketRequestImmediately(this: RequestQueue) {
      return !isFull(this) && this.throttledUntil <= performance.now()
    },
    scheduleCheckPendingRequests(this: RequestQueue) {
      // Requests that wait for answers to others are sent when those arrive.
      if (this.pending.length === 0 || isFull(this) || this.throttleCheckTimeoutId !== null) return
      // The throttling may have ended since the request came.
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
    // Called when the connection has ended, or was ended from this side: pending requests are never
    // answered.
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
 * Destroys the connection when an answer is overdue. The time is counted from when the request was
 * written, bytes last arrived, or throttling ended, whichever is last. A broker answers in order:
 * behind a request that waits on purpose, such as JoinGroup, nothing is late.
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
