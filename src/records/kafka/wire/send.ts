import type { Broker } from 'kafkajs'
import { API, type ApiName, type Request } from './request.ts'

// The seam through which own requests go out: over the library's connections, which keep TLS, SASL,
// correlation ids, time limits and throttling. The library's own way copies what is sent twice,
// which costs more than all the rest of a Produce (0.68 instead of 0.27 µs a record); so header and
// record sets are written to the socket as they are.
//
// Records go over a connection of their own, the library's second one, so that what must be quick
// does not wait behind them: neither for a slow link, nor for a broker that throttles and reads no
// more from the connection over which too much came (KIP-219).
//
// Private to kafkajs 2.2.4, and looked at by the self-test: network/connectionPool.js
// (getConnection, pool), network/connection.js (what Connection has below),
// network/requestQueue/index.js (push, maybeThrottle, throttledUntil as `connections.ts` has it).

/** A connection of the library, as far as it is used here. */
interface Connection {
  readonly clientId: string
  readonly socket: {
    cork(): void
    uncork(): void
    write(bytes: Buffer): boolean
    destroy(error: Error): void
  }
  readonly requestQueue: {
    push(request: {
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
    }): void
    maybeThrottle(ms: number): void
    readonly throttledUntil: number
  }
  isConnected(): boolean
  isAuthenticated(): boolean
  authenticate(): Promise<void>
  nextCorrelationId(): number
  failIfNotConnected(): void
}

interface ConnectionPool {
  readonly pool: readonly Connection[]
  getConnection(index: number): Promise<Connection>
}

/** What a broker of the library must have. */
export interface Wired extends Broker {
  readonly connectionPool: ConnectionPool
}

/** For how long a broker takes no request, ms. */
export type Throttled = (ms: number) => void

/**
 * Sends a request and gives what its response says.
 * @param answerWithinMs beside the time for which the broker waits on purpose
 * @throws what the library throws of connections: the broker may have got the request, or not
 */
export async function send<T>(
  broker: Wired,
  request: Request<T>,
  { answerWithinMs, throttled }: { readonly answerWithinMs: number; readonly throttled: Throttled },
): Promise<T> {
  const connection = await connected(broker, request.api)
  const correlationId = connection.nextCorrelationId()
  const head = headOf(request, correlationId, connection.clientId)
  const { payload } = await new Promise<{ readonly payload: Buffer }>((resolve, reject) => {
    connection.requestQueue.push({
      entry: {
        apiKey: API[request.api],
        apiName: request.api,
        apiVersion: request.version,
        correlationId,
        resolve,
        reject,
      },
      expectResponse: true,
      requestTimeout: answerWithinMs + (request.waitsMs ?? 0),
      sendRequest: () => {
        const { socket } = connection
        socket.cork()
        socket.write(head)
        for (const piece of request.body) socket.write(piece)
        socket.uncork()
      },
    })
  })
  const { value, throttleMs } = request.decode(payload)
  if (throttleMs > 0) {
    connection.requestQueue.maybeThrottle(throttleMs)
    throttled(throttleMs)
  }
  return value
}

/** The connection for a call, made and authenticated. @throws as {@link send} */
export async function connected({ connectionPool }: Wired, api: ApiName): Promise<Connection> {
  const connection = await connectionPool.getConnection(indexOf(api))
  if (!connection.isAuthenticated()) await connection.authenticate()
  connection.failIfNotConnected()
  return connection
}

/** Is there a connection for a call? */
export function isConnected({ connectionPool }: Wired, api: ApiName): boolean {
  return connectionPool.pool[indexOf(api)]?.isConnected() === true
}

/** How long the broker takes no call of this kind, ms. */
export function throttleLeftMs({ connectionPool }: Wired, api: ApiName): number {
  const until = connectionPool.pool[indexOf(api)]?.requestQueue.throttledUntil ?? 0
  return Math.max(0, until - performance.now())
}

/** Ends the connection for a call, and drops what was not sent over it yet. */
export function hangUp(broker: Wired, api: ApiName, reason: Error): void {
  if (isConnected(broker, api)) broker.connectionPool.pool[indexOf(api)]?.socket.destroy(reason)
}

/** Whoever asks for a few bytes must not wait behind many. */
function indexOf(api: ApiName): number {
  return api === 'Fetch' || api === 'Produce' ? 1 : 0
}

/** Length, header version 1: call, version, correlation id, client id. */
function headOf<T>({ api, version, body }: Request<T>, correlationId: number, clientId: string) {
  const idBytes = Buffer.byteLength(clientId)
  const head = Buffer.allocUnsafe(14 + idBytes)
  const bodyBytes = body.reduce((sum, piece) => sum + piece.length, 0)
  head.writeInt32BE(head.length - 4 + bodyBytes, 0)
  head.writeInt16BE(API[api], 4)
  head.writeInt16BE(version, 6)
  head.writeInt32BE(correlationId, 8)
  head.writeInt16BE(idBytes, 12)
  head.write(clientId, 14)
  return head
}
