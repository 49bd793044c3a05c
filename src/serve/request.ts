import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestRoute } from '../runtime/events.ts'
import { bodyOf } from './request-body.ts'
import { gone, LATER, MOST, RequestFault, refusal } from './request-fault.ts'

export interface HttpReply {
  /** @default 200 */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** In pieces, or an object to be sent as JSON. */
  readonly body: readonly Buffer[] | object
}

export interface HttpRoute {
  /** @default `none` */
  readonly name?: RequestRoute
  readonly method: 'GET' | 'POST'
  /** Matches the whole path. */
  readonly path: RegExp
  /**
   * `open`: everybody, from anywhere · `probe`: so, and on the last connections; its body is not
   * read. @default who may ask the server
   */
  readonly access?: 'open' | 'probe'
  readonly answer: (request: HttpRequest) => HttpReply | Promise<HttpReply>
}

/** @param where method and path, such as `GET /of/(?<name>[^/]+)` */
export function httpRoute(name: RequestRoute, where: string, answer: HttpRoute['answer']) {
  const [method, path] = where.split(' ') as [HttpRoute['method'], string]
  return { name, method, path: new RegExp(`^${path}$`), answer }
}

/** The same for a probe. */
export function probeRoute(...route: Parameters<typeof httpRoute>): HttpRoute {
  return { ...httpRoute(...route), access: 'probe' }
}

/** The server of a request. */
interface Answering {
  /** Bytes of all requests and answers. */
  heldBytes: number
  /** Whether the connection of a request is closed behind its answer. */
  closesBehind(request: HttpRequest): boolean
  /** Called once, when a request has been answered. */
  answered(request: HttpRequest, status: number): void
  /** Called once, when the answer of a request has left, or never will. */
  ended(request: HttpRequest): void
}

export const DEADLINE = 'tidemark-deadline-ms'
/** Bytes that a request always gets: a probe is answered whatever others hold. */
const SMALL = 2 ** 14
const NO_BODY = Buffer.alloc(0)

/** A request, which is answered once and over in time, whatever happens. */
export class HttpRequest {
  readonly message: IncomingMessage
  readonly headers: IncomingMessage['headers']
  readonly path: string
  /** By `performance.now()`. */
  readonly sinceMs = performance.now()
  /** When nobody waits for an answer any more, by `performance.now()`. */
  readonly untilMs: number
  /** `null`: there is none, or not yet. */
  route: HttpRoute | null = null
  /** Parts of the path that the route names. */
  names: Readonly<Record<string, string | undefined>> = {}
  body: Buffer = NO_BODY
  /** Whether a token has let it in. */
  hasToken = false
  /** Whether it is answered, or its client gone. */
  isOver = false
  /** How many requests waited when it came. */
  waiting = 0
  readonly #response: ServerResponse
  readonly #server: Answering
  #timer: NodeJS.Timeout
  #heldBytes = 0
  #isEnded = false

  constructor(message: IncomingMessage, response: ServerResponse, server: Answering) {
    this.message = message
    this.headers = message.headers
    this.path = (message.url ?? '').split('?', 1)[0] as string
    this.#response = response
    this.#server = server
    const ms = Number(this.headers[DEADLINE] ?? MOST.waitMs)
    const waitMs = Math.min(MOST.waitMs, ms > 0 ? ms : MOST.waitMs)
    this.untilMs = this.sinceMs + waitMs
    this.#timer = setTimeout(() => this.#giveUp(), waitMs)
    response.once('close', () => this.end())
  }

  /** Reads the body. @throws RequestFault */
  async receive(): Promise<void> {
    if (!(Number(this.headers[DEADLINE] ?? 1) > 0)) {
      throw new RequestFault(400, 'is not a number of ms above 0', { where: DEADLINE })
    }
    this.body = await bodyOf(this.message, (bytes) => this.hold(bytes))
  }

  /** Asks for memory until the answer has left. @throws RequestFault 499 · 503 */
  hold(bytes: number): void {
    if (this.#isEnded) throw gone()
    const isSmall = this.#heldBytes + bytes <= SMALL
    if (!isSmall && this.#server.heldBytes + bytes > MOST.heldBytes) {
      throw new RequestFault(503, 'requests hold too much memory', LATER)
    }
    this.#server.heldBytes += bytes
    this.#heldBytes += bytes
  }

  /** Answers it, unless that has been done. Never throws. */
  answer(reply: HttpReply): void {
    if (this.isOver) return
    this.isOver = true
    let sent = reply
    try {
      this.#send(sent)
    } catch (error) {
      sent = refusal(error)
      this.#send(sent)
    }
    this.#server.answered(this, sent.status ?? 200)
  }

  /** Gives back the memory that it holds. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#server.heldBytes -= this.#heldBytes
    if (!this.isOver) this.answer(refusal(gone()))
    this.#server.ended(this)
  }

  /** @throws Error it cannot be sent; nothing is */
  #send({ status = 200, headers, body }: HttpReply): void {
    if (this.#isEnded) return
    const isBytes = Array.isArray(body)
    const pieces: readonly Buffer[] = isBytes ? body : [Buffer.from(JSON.stringify(body))]
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0)
    if (bytes > MOST.answerBytes) {
      throw new RequestFault(413, `the answer has more than ${MOST.answerBytes} bytes`)
    }
    if (bytes > SMALL) this.hold(bytes)
    const { complete } = this.message
    const closes = this.#server.closesBehind(this)
    if (!complete || closes) this.#response.setHeader('connection', 'close')
    this.#response.writeHead(status, {
      'content-type': isBytes ? 'application/octet-stream' : 'application/json',
      'content-length': bytes,
      ...headers,
    })
    for (const piece of pieces) this.#response.write(piece)
    if (complete || closes || this.route?.access === 'probe') this.#response.end()
    // Who still sends would meet a reset instead of the answer (RFC 9112, 9.6).
    else this.message.resume().once('close', () => this.#response.end())
  }

  #giveUp(): void {
    if (!this.isOver) this.answer(refusal(tooLate(this)))
    if (this.#isEnded) return
    this.#response.end()
    const leftMs = this.sinceMs + MOST.wholeMs - performance.now()
    this.#timer = setTimeout(() => this.message.socket.destroy(), leftMs)
  }
}

/** The fault of a request whose time is over, by its own deadline or by the longest. */
export function tooLate({ headers }: Pick<HttpRequest, 'headers'>): RequestFault {
  return headers[DEADLINE] === undefined
    ? new RequestFault(503, `there is no answer within ${MOST.waitMs / 1_000} s`, LATER)
    : new RequestFault(504, 'the deadline has passed')
}
