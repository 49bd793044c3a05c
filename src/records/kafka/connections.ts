import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import kafkajs from 'kafkajs'
import { Answers } from './answers.ts'

// The library's connections and their queues of requests, mended in place, for its requests and for
// our own.
//
// A queue's time is the wall clock's: when that is set, every request has timed out at once, or
// none ever does. It takes the time at which the broker reads nothing on purpose (KIP-219) for time
// in which it could have answered. After a time-out it goes on with a connection whose bytes may
// still be under way, so that what is sent again is there twice. It forgets what is on its way over
// a connection that it takes for ended, so that whoever waits for the answer does so for ever. And
// it asks itself every millisecond whether a request waits to be sent (kafkajs#1704), which costs
// several percent of a core.
//
// A connection reads answers into twice the memory they need. It goes on over its next socket with
// what it had read of the one before: half an answer turns all that follows into nonsense, and
// nothing is ever answered again. What the previous socket still reports is taken as news about the
// next. Whoever asks for it while it is being made gets a second socket beside the first. And an
// answer that cannot be one ends the process.
//
// Its queues are mended for all drivers of the process at once, and count by the time of the
// process: sockets know no other.
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
  /** Of `performance.now()` here. */
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
  /** While it authenticates, what comes is theirs. */
  readonly authHandlers: object | null
  /** What came of them after their last whole answer. */
  chunks: readonly Buffer[]
  bytesBuffered: number
  /** How many must have come before it looks at them. */
  bytesNeeded: number
  isConnected(): boolean
}

type Mended<T> = { readonly prototype: T & Methods }
type Methods = Record<string, (...args: never[]) => unknown>

/** Of a length, and of the number of the request that is answered. */
const WORD_BYTES = 4
/** How often is it looked whether an answer is overdue, ms. */
const LOOK_MS = 100
/**
 * A look that comes so much too late comes before what has arrived meanwhile was read: the process
 * stood still, ms.
 */
const STOOD_STILL_MS = 1_000

/** When requests were written. */
const sentMs = new WeakMap<SocketRequest, number>()
const connectionOf = new WeakMap<RequestQueue, Connection>()
const answersTo = new WeakMap<Connection, Answers>()

let isMended = false

/** Mends the library, once. */
export function mendConnections(): void {
  if (isMended) return
  isMended = true
  const require = createRequire(import.meta.url)
  mendConnection((require('kafkajs/src/network/connection') as Mended<Connection>).prototype)
  mendQueue((require('kafkajs/src/network/requestQueue') as Mended<RequestQueue>).prototype)
}

function mendConnection(connection: Connection & Methods): void {
  const { connect, disconnect, processData } = connection as Methods
  Object.assign(connection, {
    connect: shared((mended) => {
      if (!mended.isConnected()) beginAnew(mended)
      connectionOf.set(mended.requestQueue, mended)
      return connect?.call(mended)
    }),
    disconnect: shared((mended) => disconnect?.call(mended)),
    processData(this: Connection, bytes: Buffer) {
      try {
        // The socket goes on writing where these lie.
        if (this.authHandlers !== null) processData?.call(this, Buffer.from(bytes) as never)
        else answersOf(this).take(bytes, (answer) => pass(answer, this.requestQueue))
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

/** To whoever asked. */
function pass(answer: Buffer, queue: RequestQueue): void {
  const correlationId = answer.readInt32BE()
  queue.fulfillRequest({ size: answer.length, correlationId, payload: answer.subarray(WORD_BYTES) })
}

/** A method that does its work once for all who call it meanwhile. */
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

/** Nothing is left of the socket before, nor does anything more come from it. */
function beginAnew(connection: Connection): void {
  const { socket } = connection
  for (const event of ['data', 'end', 'error', 'timeout']) socket?.removeAllListeners(event)
  socket?.on('error', () => {}).destroy()
  connection.requestQueue.destroy()
  connection.chunks = []
  connection.bytesBuffered = 0
  connection.bytesNeeded = WORD_BYTES
  answersOf(connection).clear()
}

function mendQueue(queue: RequestQueue & Methods): void {
  const { sendSocketRequest, destroy: stopTimers } = queue as Methods
  Object.assign(queue, {
    sendSocketRequest(this: RequestQueue, request: SocketRequest) {
      sentMs.set(request, performance.now())
      sendSocketRequest?.call(this, request as never)
    },
    maybeThrottle(this: RequestQueue, given: number | null | undefined) {
      // Not every answer has one.
      const ms = given ?? 0
      if (ms > 0) this.throttledUntil = Math.max(this.throttledUntil, performance.now() + ms)
    },
    canSendSocketRequestImmediately(this: RequestQueue) {
      return !isFull(this) && this.throttledUntil <= performance.now()
    },
    scheduleCheckPendingRequests(this: RequestQueue) {
      // What waits for others to be answered is looked at when they are.
      if (this.pending.length === 0 || isFull(this) || this.throttleCheckTimeoutId !== null) return
      // It may be over by now though it was not when the request came.
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
    // Called when the connection has ended, or was ended from this side: nothing is answered over
    // it, or looked after, any more.
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
 * Ends the connection when an answer is overdue: counted from when the request was written, or
 * anything last came, or the broker read again. A broker answers in order: behind a request that
 * waits on purpose, such as JoinGroup, nothing is late.
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
