import type { Socket } from 'node:net'
import type { Broker } from 'kafkajs'
import type { Connection } from '../connections.ts'
import { API, type ApiName, type Request } from './protocol.ts'

// Sends our own requests over the library's connections, which provide TLS, SASL, correlation ids,
// time limits and throttling. The library's encoding copies what is sent twice, which costs more
// than the rest of a Produce (0.68 instead of 0.27 µs per record), so header and record sets are
// written directly to the socket.
//
// Produce and Fetch use a connection of their own, the library's second one, so that quick requests
// do not wait behind a slow link, or behind a broker that throttles and reads no more from the
// connection that exceeded a quota (KIP-219).
//
// Private to kafkajs 2.2.4, whose version the self-test checks: network/connectionPool.js
// (getConnection, pool).

interface ConnectionPool {
  readonly pool: readonly Connection[]
  getConnection(index: number): Promise<Connection>
}

/** The used private parts of the library's broker. */
export interface Wired extends Broker {
  readonly connectionPool: ConnectionPool
}

/**
 * @param throttled called with how long a broker accepts no request, ms
 * @param answerWithinMs time limit, not counting the time for which the broker waits on purpose
 * @throws errors of the library for connections: the broker may or may not have received the
 * request
 */
export async function send<T>(
  broker: Wired,
  request: Request<T>,
  {
    answerWithinMs,
    throttled,
  }: { readonly answerWithinMs: number; readonly throttled: (ms: number) => void },
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
        const socket = connection.socket as Socket
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

/** Returns the connection for an API, connected and authenticated. */
export async function connected({ connectionPool }: Wired, api: ApiName): Promise<Connection> {
  const connection = await connectionPool.getConnection(indexOf(api))
  if (!connection.isAuthenticated()) await connection.authenticate()
  connection.failIfNotConnected()
  return connection
}

export function isConnected({ connectionPool }: Wired, api: ApiName): boolean {
  return connectionPool.pool[indexOf(api)]?.isConnected() === true
}

/** How long the broker accepts no request for an API, ms. */
export function throttleLeftMs({ connectionPool }: Wired, api: ApiName): number {
  const until = connectionPool.pool[indexOf(api)]?.requestQueue.throttledUntil ?? 0
  return Math.max(0, until - performance.now())
}

/** Destroys the connection for an API, and drops what has not been sent yet. */
export function hangUp(broker: Wired, api: ApiName, reason: Error): void {
  if (isConnected(broker, api)) broker.connectionPool.pool[indexOf(api)]?.socket?.destroy(reason)
}

/** Small requests must not wait behind large ones. */
function indexOf(api: ApiName): number {
  return api === 'Fetch' || api === 'Produce' ? 1 : 0
}

/** Length and request header of version 1: API key, version, correlation id, client id. */
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
