import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { hostname } from 'node:os'
import { TidemarkError } from '../kernel/errors.ts'
import type { Observer } from '../runtime/events.ts'
import { checkAccess, tokenDigest } from './access.ts'
import { type HttpReply, HttpRequest, type HttpRoute } from './request.ts'
import { LATER, MOST, RequestFault, refusal } from './request-fault.ts'

// Answers requests over HTTP, within limits. Each request is read whole before it is answered.

/** Where requests are answered. */
export interface RequestAddress {
  /** 0: any free port. */
  readonly port: number
  /** @default 127.0.0.1: not reachable over the network */
  readonly host?: string
  /** Required of those who ask. @default everybody may ask, under an address or as localhost */
  readonly token?: string | null
  /** Where other workers of the group reach it, `host:port`. @default the address itself */
  readonly advertise?: string | null
}

interface ServerOptions extends RequestAddress {
  /** How to choose another port. @default with the setting of requests */
  readonly otherPort?: string
  readonly routes: readonly HttpRoute[]
  /** Gets each request that was answered. @default nobody does */
  readonly observer?: Observer
}

/** A path, and perhaps a query: no other server, and no bytes that a path must write with `%`. */
const TARGET = /^\/[!-~]*$/
/** How bytes that are not a request are refused, by Node's code. @default 400 */
const BROKEN = new Map<string | undefined, string>([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
])

export class RequestServer {
  readonly host: string
  heldBytes = 0
  readonly #o: ServerOptions
  readonly #token: Buffer | null
  readonly #server: Server
  /** Requests of each connection whose answers have not left; the oldest connection first. */
  readonly #connections = new Map<Socket, Set<HttpRequest>>()
  #closing: Promise<void> | null = null
  #waiting = 0

  private constructor(options: ServerOptions) {
    const { host = '127.0.0.1', token = null } = options
    this.host = host
    this.#o = options
    this.#token = token === null ? null : tokenDigest(token)
    const limits = {
      maxHeaderSize: MOST.headerBytes,
      headersTimeout: MOST.arrivalMs,
      requestTimeout: MOST.arrivalMs,
      keepAliveTimeout: MOST.idleMs,
      connectionsCheckingInterval: MOST.arrivalMs / 10,
      // Two hosts, or two tokens, are then one that is wrong.
      joinDuplicateHeaders: true,
    }
    this.#server = createServer(limits, (message, response) => {
      this.#begin(new HttpRequest(message, response, this))
    })
    this.#server.on('clientError', (error, socket) => this.#refuse(error, socket as Socket))
    this.#server.on('connection', (socket: Socket) => this.#connect(socket))
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

  /** Resolves when the requests that have come are answered, and after 2 s at the latest. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    // A connection that has asked nothing is not idle for Node.
    for (const [socket, requests] of this.#connections) {
      if (requests.size === 0) socket.destroySoon()
    }
    const giveUp = setTimeout(() => {
      for (const socket of this.#connections.keys()) socket.destroy()
    }, MOST.stopMs)
    await closed
    clearTimeout(giveUp)
  }

  /** Idle connections make room for who comes next, and then the oldest of the last. */
  #connect(socket: Socket): void {
    if (this.#connections.size >= MOST.connections) this.#server.closeIdleConnections()
    const last = this.#last()
    if (last.length === MOST.probeConnections) last[0]?.destroy()
    const requests = new Set<HttpRequest>()
    this.#connections.set(socket, requests)
    socket.once('close', () => {
      this.#connections.delete(socket)
      for (const request of requests) request.end()
    })
  }

  /** The last connections, which serve probes only. */
  #last(): readonly Socket[] {
    if (this.#connections.size <= MOST.connections) return []
    const open = [...this.#connections.keys()].filter(({ destroyed }) => !destroyed)
    return open.slice(MOST.connections)
  }

  #begin(request: HttpRequest): void {
    request.waiting = this.#waiting++
    this.#connections.get(request.message.socket)?.add(request)
    this.#reply(request).then(
      (reply) => request.answer(reply),
      (error: unknown) => request.answer(refusal(error)),
    )
  }

  /** Answers bytes that are not a request. Reads on, as behind an answer before a body. */
  #refuse({ code }: NodeJS.ErrnoException, socket: Socket): void {
    if (!socket.writable) return
    const requests = this.#connections.get(socket) ?? []
    const isAnswering = [...requests].some(({ isOver }) => isOver)
    const status = BROKEN.get(code) ?? '400 Bad Request'
    socket.end(isAnswering ? '' : `HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`)
    setTimeout(() => socket.destroy(), MOST.stopMs).unref()
  }

  closesBehind({ message: { socket } }: HttpRequest): boolean {
    return this.#closing !== null || this.#last().includes(socket)
  }

  answered({ route, sinceMs, waiting }: HttpRequest, code: number): void {
    this.#waiting--
    const durationMs = performance.now() - sinceMs
    const name = route?.name ?? 'none'
    try {
      this.#o.observer?.({ type: 'request', route: name, code, durationMs, waiting })
    } catch (error) {
      refusal(error)
    }
  }

  ended(request: HttpRequest): void {
    const { socket } = request.message
    const requests = this.#connections.get(socket)
    requests?.delete(request)
    if (this.#closing !== null && requests?.size === 0) socket.destroySoon()
  }

  async #reply(request: HttpRequest): Promise<HttpReply> {
    const { path, message } = request
    if (!TARGET.test(message.url ?? '')) {
      throw new RequestFault(400, 'is not a path in visible ASCII', { where: 'target' })
    }
    const there = this.#o.routes.filter(({ path: pattern }) => pattern.test(path))
    const wantedMethod = message.method === 'HEAD' ? 'GET' : message.method
    const route = there.find(({ method }) => method === wantedMethod)
    if (route === undefined) throw unrouted(path, there)
    request.route = route
    request.names = route.path.exec(path)?.groups ?? {}
    if (route.access !== 'probe') {
      this.#admit(request, route)
      await request.receive()
    }
    return route.answer(request)
  }

  /** @throws RequestFault it may not ask, or not now */
  #admit(request: HttpRequest, { access }: HttpRoute): void {
    const { headers, socket } = request.message
    if (this.#last().includes(socket)) {
      throw new RequestFault(503, 'all connections but those for probes are taken', LATER)
    }
    if (access !== undefined) return
    checkAccess(headers, this.#token)
    request.hasToken = this.#token !== null
  }
}

function cannotListen(thrown: unknown, { host, port, ...options }: ServerOptions): TidemarkError {
  const { otherPort = 'choose another port with --predict-port; 0 picks a free one' } = options
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown'
  const inUse = code === 'EADDRINUSE'
  const message = `cannot serve HTTP on ${host}:${port}: ${inUse ? 'the port is in use' : code}`
  const hint = inUse ? otherPort : 'check host and port'
  return new TidemarkError('CONFIG_INVALID', message, { hint, cause: thrown })
}

function unrouted(where: string, there: readonly HttpRoute[]): RequestFault {
  if (there.length === 0) return new RequestFault(404, 'there is no such path', { where })
  const allow = [...new Set(there.map(({ method }) => method))].join(', ')
  return new RequestFault(405, `the path takes ${allow}`, { where, headers: { allow } })
}
