import type { Socket } from 'node:net'
import type { Broker } from 'kafkajs'
import { API, type ApiName, type Request } from '../wire/protocol.ts'
import type { Connection } from './connections.ts'

// Sends our own requests over the library's connections, which provide TLS, SASL, correlation ids,
// time limits and throttling. Header and record sets are written directly to the socket, because
// the library copies all bytes twice (0.68 instead of 0.27 µs per record).
// Produce and Fetch use the library's second connection, so that quick requests do not wait behind
// a slow link, or a broker that throttles (KIP-219).
// Private to kafkajs 2.2.4: network/connectionPool.js (getConnection, pool).

interface ConnectionPool {
  readonly pool: readonly Connection[]
  getConnection(index: number): Promise<Connection>
}

export interface Wired extends Broker {
  readonly connectionPool: ConnectionPool
}

/** Time limit for an answer, not counting the time that a broker waits on purpose, ms. */
export const ANSWER_MS = 10_000

/** @throws errors of the library: the broker may or may not have received the request */
export async function send<T>(broker: Wired, request: Request<T>, throttled: (ms: number) => void) {
  const connection = await connected(broker, request.api)
  const correlationId = connection.nextCorrelationId()
  const head = headOf(request, correlationId, connection.clientId)
  const { payload } = await new Promise<{ readonly payload: Buffer }>((resolve, reject) => {
    connection.requestQueue.push({
      entry: {
        apiKey: API[request.api].key,
        apiName: request.api,
        apiVersion: request.version,
        correlationId,
        resolve,
        reject,
      },
      expectResponse: true,
      requestTimeout: ANSWER_MS + (request.waitsMs ?? 0),
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

export async function connected({ connectionPool }: Wired, api: ApiName): Promise<Connection> {
  const connection = await connectionPool.getConnection(indexOf(api))
  if (!connection.isAuthenticated()) await connection.authenticate()
  connection.failIfNotConnected()
  return connection
}

export function isConnected({ connectionPool }: Wired, api: ApiName): boolean {
  return connectionPool.pool[indexOf(api)]?.isConnected() === true
}

export function throttleLeftMs({ connectionPool }: Wired, api: ApiName): number {
  const until = connectionPool.pool[indexOf(api)]?.requestQueue.throttledUntil ?? 0
  return Math.max(0, until - performance.now())
}

export function hangUp(broker: Wired, api: ApiName, reason: Error): void {
  if (isConnected(broker, api)) broker.connectionPool.pool[indexOf(api)]?.socket?.destroy(reason)
}

/** Small requests must not wait behind large ones. */
function indexOf(api: ApiName): number {
  return api === 'Fetch' || api === 'Produce' ? 1 : 0
}

function headOf<T>({ api, version, body }: Request<T>, correlationId: number, clientId: string) {
  const idBytes = Buffer.byteLength(clientId)
  const head = Buffer.allocUnsafe(14 + idBytes)
  const bodyBytes = body.reduce((sum, piece) => sum + piece.length, 0)
  head.writeInt32BE(head.length - 4 + bodyBytes, 0)
  head.writeInt16BE(API[api].key, 4)
  head.writeInt16BE(version, 6)
  head.writeInt32BE(correlationId, 8)
  head.writeInt16BE(idBytes, 12)
  head.write(clientId, 14)
  return head
}
