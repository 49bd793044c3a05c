import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { hostname } from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'
import { type Code, TidemarkError } from '../kernel/errors.ts'
import type { Observer, RequestRoute } from '../runtime/events.ts'

// Answers requests over HTTP, within limits. Each request is read whole before it is answered.

const MOST = {
  bodyBytes: 2 ** 20,
  headerBytes: 2 ** 14,
  connections: 1_024,
  /** How long a request may take to arrive, ms. */
  arrivalMs: 10_000,
  /** How long one may wait for its answer, ms. */
  waitMs: 10_000,
  /**
   * How long a connection may be idle, ms: longer than proxies keep theirs, 60 s mostly. A request
   * could meet a server that closes its connection, and a proxy would answer 502.
   */
  idleMs: 75_000,
  /** How long its answer may take to depart when the server closes, ms. */
  departureMs: 5_000,
}

export interface HttpRequest {
  readonly method: HttpRoute['method']
  readonly path: string
  readonly headers: IncomingMessage['headers']
  /** Parts of the path that its route names. */
  readonly names: Readonly<Record<string, string | undefined>>
  readonly body: Buffer
  /** By `performance.now()`. */
  readonly sinceMs: number
  /** When nobody waits for an answer any more, by `performance.now()`. */
  readonly untilMs: number
  /** Has the client closed the connection? */
  readonly isGone: () => boolean
}

export interface HttpReply {
  /** @default 200 */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON. */
  readonly body: Buffer | object
}

export interface HttpRoute {
  /** @default `none` */
  readonly name?: RequestRoute
  readonly method: 'GET' | 'POST'
  /** Matches the whole path. */
  readonly path: RegExp
  /** Is it answered without a token? */
  readonly isOpen?: boolean
  readonly answer: (asked: HttpRequest) => HttpReply | Promise<HttpReply>
}

/** @param where method and path, such as `GET /of/(?<name>[^/]+)` */
export function httpRoute(
  name: RequestRoute,
  where: string,
  answer: HttpRoute['answer'],
): HttpRoute {
  const [method, path] = where.split(' ') as [HttpRoute['method'], string]
  return { name, method, path: new RegExp(`^${path}$`), answer }
}

/** Headers of a fault that may be gone soon. */
export const LATER = { headers: { 'retry-after': '1' } }

/** A request that is refused. */
export class RequestFault extends Error {
  readonly status: number
  /** A place in the request, such as `inputs[0].shape`. */
  readonly where: string | undefined
  readonly code: Code | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    message: string,
    { where, code, headers = {} }: Partial<Pick<RequestFault, 'where' | 'code' | 'headers'>> = {},
  ) {
    super(message)
    this.status = status
    this.where = where
    this.code = code
    this.headers = headers
  }
}

/** Where requests are answered. */
export interface RequestAddress {
  /** 0: any free port. */
  readonly port: number
  /** @default 127.0.0.1: not reachable over the network */
  readonly host?: string
  /** Required of those who ask. @default everybody may ask */
  readonly token?: string | null
  /** Where other workers of the group reach it, `host:port`. @default the address itself */
  readonly advertise?: string | null
}

interface ServerOptions extends RequestAddress {
  /** How to choose another port. @default with the setting of requests */
  readonly otherPort?: string
  readonly routes: readonly HttpRoute[]
  /** Is told of each request that was answered. @default nobody is */
  readonly observer?: Observer
}

export const DEADLINE = 'tidemark-deadline-ms'

/** The fault of a request whose time is over, by its own deadline or by the longest. */
export function tooLate({ headers }: Pick<HttpRequest, 'headers'>): RequestFault {
  return headers[DEADLINE] === undefined
    ? new RequestFault(503, `there is no answer within ${MOST.waitMs / 1_000} s`, LATER)
    : new RequestFault(504, 'the deadline has passed')
}

export class RequestServer {
  readonly host: string
  readonly #o: ServerOptions
  readonly #token: Buffer | null
  readonly #server: Server
  #isClosing = false
  readonly #serving = new Set<Promise<void>>()
  readonly #sockets = new Set<Socket>()
  #waiting = 0

  private constructor(options: ServerOptions) {
    const { host = '127.0.0.1', token = null } = options
    this.host = host
    this.#o = options
    this.#token = token === null ? null : digestOf(token)
    const limits = {
      maxHeaderSize: MOST.headerBytes,
      headersTimeout: MOST.arrivalMs,
      requestTimeout: MOST.arrivalMs,
      keepAliveTimeout: MOST.idleMs,
      connectionsCheckingInterval: MOST.arrivalMs / 10,
    }
    this.#server = createServer(limits, (request, response) => this.#begin(request, response))
    this.#server.maxConnections = MOST.connections
    // Idle connections make room for who comes next.
    this.#server.on('drop', () => this.#server.closeIdleConnections())
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** @throws TidemarkError `CONFIG_INVALID`: the address cannot be listened on */
  static async listen(options: ServerOptions): Promise<RequestServer> {
    const server = new RequestServer(options)
    const { host } = server
    try {
      server.#server.listen(options.port, host)
      await once(server.#server, 'listening')
    } catch (thrown) {
      throw cannotListen(thrown, { ...options, host })
    }
    server.#server.on('error', (error) =>
      process.emitWarning(`serving HTTP failed: ${error.message}`),
    )
    return server
  }

  /** Where others reach it. */
  get advertised(): string {
    const host = ['0.0.0.0', '::'].includes(this.host) ? hostname() : this.host
    return this.#o.advertise ?? `${host}:${this.port}`
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Resolves when all requests that have come are answered. */
  async close(): Promise<void> {
    this.#isClosing = true
    const closed = once(this.#server, 'close')
    this.#server.close()
    while (this.#serving.size > 0) await Promise.all(this.#serving)
    // Answers may wait for those before them on their connection until the next turn. A connection
    // that has asked nothing is not idle for Node.
    await nextTurn()
    for (const socket of this.#sockets) socket.destroySoon()
    const giveUp = setTimeout(() => this.#server.closeAllConnections(), MOST.departureMs)
    await closed
    clearTimeout(giveUp)
  }

  #begin(request: IncomingMessage, response: ServerResponse): void {
    const serving = this.#serve(request, response).finally(() => this.#serving.delete(serving))
    this.#serving.add(serving)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const sinceMs = performance.now()
    const waiting = this.#waiting++
    const path = (request.url ?? '').split('?', 1)[0] as string
    const there = this.#o.routes.filter((of) => of.path.test(path))
    const asked = request.method === 'HEAD' ? 'GET' : request.method
    const route = there.find(({ method }) => method === asked)
    let reply: HttpReply
    try {
      if (route === undefined) throw unrouted(path, there)
      reply = await this.#reply(request, { path, route, sinceMs })
    } catch (error) {
      reply = refusal(error)
    }
    this.#waiting--
    // The rest of a body that is not read would be taken for the next request.
    if (this.#isClosing || !request.complete) response.setHeader('connection', 'close')
    const { status = 200, headers, body } = reply
    const isBytes = Buffer.isBuffer(body)
    const bytes = isBytes ? body : Buffer.from(JSON.stringify(body))
    response.writeHead(status, {
      'content-type': isBytes ? 'application/octet-stream' : 'application/json',
      'content-length': bytes.length,
      ...headers,
    })
    response.end(bytes)
    const durationMs = performance.now() - sinceMs
    const name = route?.name ?? 'none'
    this.#o.observer?.({ type: 'request', route: name, code: status, durationMs, waiting })
  }

  async #reply(
    request: IncomingMessage,
    { path, route, sinceMs }: Pick<HttpRequest, 'path' | 'sinceMs'> & { readonly route: HttpRoute },
  ): Promise<HttpReply> {
    const { headers, socket } = request
    if (route.isOpen !== true) this.#authorize(headers.authorization)
    const untilMs = sinceMs + deadlineOf(headers[DEADLINE])
    const body = await bodyOf(request)
    const names = route.path.exec(path)?.groups ?? {}
    const { method } = route
    const isGone = () => socket.destroyed
    // Each written out: a spread costs more than all the rest here.
    return route.answer({ method, path, headers, names, body, sinceMs, untilMs, isGone })
  }

  #authorize(given = ''): void {
    if (this.#token === null) return
    const [scheme, token = ''] = given.split(' ', 2)
    const isRight = timingSafeEqual(digestOf(token), this.#token)
    if (scheme?.toLowerCase() === 'bearer' && isRight) return
    const headers = { 'www-authenticate': 'Bearer' }
    const what = 'the request has not the right token'
    throw new RequestFault(401, what, { where: 'authorization', headers })
  }
}

function cannotListen(thrown: unknown, { host, port, ...options }: ServerOptions): TidemarkError {
  const { otherPort = 'choose another port with --predict-port; 0 picks a free one' } = options
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown'
  const inUse = code === 'EADDRINUSE'
  const why = inUse ? 'the port is in use' : code
  return new TidemarkError('CONFIG_INVALID', `cannot serve HTTP on ${host}:${port}: ${why}`, {
    hint: inUse ? otherPort : 'check host and port',
    cause: thrown,
  })
}

function unrouted(where: string, there: readonly HttpRoute[]): RequestFault {
  if (there.length === 0) return new RequestFault(404, 'there is no such path', { where })
  const allow = there.map(({ method }) => method).join(', ')
  return new RequestFault(405, `the path takes ${allow}`, { where, headers: { allow } })
}

/** Digests have one length, so comparing them tells nothing of a token. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

function deadlineOf(given: string | readonly string[] | undefined): number {
  const ms = Number(given ?? MOST.waitMs)
  if (ms > 0) return Math.min(ms, MOST.waitMs)
  throw new RequestFault(400, 'is not a number of ms above 0', { where: DEADLINE })
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > MOST.bodyBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  // Iterating over the request costs a third of what it takes to answer one.
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MOST.bodyBytes) reject(tooLarge())
      else chunks.push(chunk)
    })
    request.once('end', resolve)
    request.once('close', () => {
      if (!request.readableEnded) reject(new RequestFault(499, 'the client is gone'))
    })
  })
  const [only] = chunks
  const body = only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks)
  return unpacked(body, request.headers['content-encoding'])
}

async function unpacked(body: Buffer, encoding = 'identity'): Promise<Buffer> {
  if (encoding === 'identity') return body
  const unpack = { gzip: gunzip, deflate: inflate }[encoding]
  if (unpack === undefined) {
    throw new RequestFault(415, 'is not gzip or deflate', { where: 'content-encoding' })
  }
  try {
    return await promisify<Buffer, object, Buffer>(unpack)(body, {
      maxOutputLength: MOST.bodyBytes,
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge()
    throw new RequestFault(400, `is not ${encoding}`, { where: 'body' })
  }
}

function tooLarge(): RequestFault {
  return new RequestFault(413, `has more than ${MOST.bodyBytes} bytes`, { where: 'body' })
}

function refusal(error: unknown): HttpReply {
  if (!(error instanceof RequestFault)) {
    // Its message may have a value of the request.
    process.emitWarning(`answering a request failed: ${error instanceof Error ? error.name : ''}`)
    return { status: 500, body: { error: 'the server has failed' } }
  }
  const { status, message, where, code, headers } = error
  const place = { ...(code && { code }), ...(where !== undefined && { where }) }
  return { status, headers, body: { error: message, ...place } }
}
