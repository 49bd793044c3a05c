import type { Broker } from 'kafkajs'
import { API, type Request } from './request.ts'

// The seam through which own requests go out: over the library's connections, which keep TLS, SASL, correlation ids, time limits
// and throttling. The library's own way copies what is sent twice, which costs more than all the rest of a Produce
// (0.68 instead of 0.27 µs a record); so header and record sets are written to the socket as they are.
//
// Private to kafkajs 2.2.4, and looked at by the self-test: network/connectionPool.js (getConnection; 1 is for Fetch, 0 for all
// else), network/connection.js (what Connection has below), network/requestQueue/index.js (push, maybeThrottle).

/** A connection of the library, as far as it is used here. */
interface Connection {
  readonly clientId: string
  readonly socket: {
    cork(): void
    uncork(): void
    write(bytes: Buffer): boolean
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
  }
  isConnected(): boolean
  isAuthenticated(): boolean
  authenticate(): Promise<void>
  nextCorrelationId(): number
  failIfNotConnected(): void
}

interface ConnectionPool {
  getConnection(index: number): Promise<Connection>
}

/** What a broker of the library must have. */
export interface Wired extends Broker {
  readonly connectionPool: ConnectionPool
}

/** Waiting for a connection that is being made: the library would make a second one beside it. */
const connecting = new WeakMap<ConnectionPool, Map<number, Promise<Connection>>>()

/**
 * Sends a request and gives what its response says.
 * @param answerWithinMs beside the time for which the broker waits on purpose
 * @throws what the library throws of connections: the broker may have got the request, or not
 */
export async function send<T>(
  broker: Wired,
  request: Request<T>,
  answerWithinMs: number,
): Promise<T> {
  const connection = await connectionFor(broker.connectionPool, request.api === 'Fetch' ? 1 : 0)
  if (!connection.isAuthenticated()) await connection.authenticate()
  connection.failIfNotConnected()
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
  return request.decode(payload)
}

async function connectionFor(pool: ConnectionPool, index: number): Promise<Connection> {
  const pending = connecting.get(pool) ?? new Map<number, Promise<Connection>>()
  connecting.set(pool, pending)
  const waiting = pending.get(index)
  if (waiting !== undefined) return waiting
  const connection = pool.getConnection(index)
  pending.set(index, connection)
  try {
    return await connection
  } finally {
    pending.delete(index)
  }
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
