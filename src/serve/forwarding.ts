import { once } from 'node:events'
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { DEADLINE, type HttpReply, type HttpRequest } from './request.ts'
import { bytesOf } from './request-body.ts'
import { LATER, MOST, RequestFault } from './request-fault.ts'
import { JSON_LENGTH } from './tensors.ts'

// Requests that another worker answers.

/** `host:port`, an IPv6 address in brackets or not; `#2` is the second of several workers there. */
const ADDRESS = /^\[?(?<host>[\w.:%-]+?)\]?:(?<port>[1-9]\d*)(?:#(?<worker>\d+))?$/
const FORWARDED = 'tidemark-forwarded'
/** Which of the workers behind one address is meant. */
const WORKER = 'tidemark-worker'
const KEPT = ['authorization', 'content-type', 'tidemark-key', JSON_LENGTH]
const ANSWERED_BY = 'tidemark-answered-by'
const BACK = ['content-type', 'retry-after', JSON_LENGTH, ANSWERED_BY]

/** Whether another worker has sent it. Then it goes no further. */
export function isForwarded({ headers }: HttpRequest): boolean {
  return headers[FORWARDED] !== undefined
}

/** The worker that is meant, counted from 1; `null`: any. */
export function workerMeant({ headers }: HttpRequest): number | null {
  const worker = Number(headers[WORKER])
  return Number.isInteger(worker) ? worker : null
}

/**
 * The answer of the worker that owns a partition.
 * @param owner as it has told the group @throws RequestFault 503: it does not answer
 */
export async function forwarded(httpRequest: HttpRequest, owner: string): Promise<HttpReply> {
  const { host, port, worker } = ADDRESS.exec(owner)?.groups ?? {}
  if (host === undefined) throw silent()
  // Without a token, a server is asked as an address or as localhost.
  const to = {
    [FORWARDED]: 'true',
    ...(worker !== undefined && { [WORKER]: worker }),
    ...(!httpRequest.hasToken && { host: 'localhost' }),
  }
  const reply = await sent(httpRequest, { host, port: Number(port) }, to)
  return { ...reply, headers: { ...reply.headers, [ANSWERED_BY]: owner } }
}

/** The answer of one of several workers to a request as it is. @throws RequestFault 503 */
export function passedOn(httpRequest: HttpRequest, port: number): Promise<HttpReply> {
  const more = isForwarded(httpRequest) ? { [FORWARDED]: 'true' } : {}
  return sent(httpRequest, { host: '127.0.0.1', port }, more)
}

async function sent(
  httpRequest: HttpRequest,
  place: Pick<RequestOptions, 'host' | 'port'>,
  more: Readonly<Record<string, string>>,
): Promise<HttpReply> {
  const { path, headers: requestHeaders, message, body, untilMs, route } = httpRequest
  const leftMs = Math.ceil(Math.max(1, untilMs - performance.now()))
  const deadline = requestHeaders[DEADLINE] === undefined ? {} : { [DEADLINE]: String(leftMs) }
  // Node gives a GET no length of its body, which would then be the next request.
  const framing = { 'content-length': body.length }
  const headers = { ...picked(message.headersDistinct, KEPT), ...more, ...deadline, ...framing }
  const signal = AbortSignal.timeout(leftMs)
  try {
    // Never as one text: the part before an @ in it would be a user, and the rest a server.
    const asking = request({ ...place, method: route?.method, path, headers, agent, signal })
    asking.end(body)
    const [answer] = (await once(asking, 'response')) as [IncomingMessage]
    const { statusCode: status = 502 } = answer
    const bytes = await bytesOf(answer, MOST.answerBytes, (length) => httpRequest.hold(length))
    return { status, headers: picked(answer.headers as NodeJS.Dict<string>, BACK), body: bytes }
  } catch {
    throw silent()
  }
}

function silent(): RequestFault {
  return new RequestFault(503, 'the worker that owns it does not answer', LATER)
}

function picked<T>(headers: NodeJS.Dict<T>, names: readonly string[]): Record<string, T> {
  const pairs = names.map((name) => [name, headers[name]] as const)
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined)) as Record<string, T>
}

/** Gives up connections that are idle before their servers do: a request could meet it. */
const agent = new Agent({ keepAlive: true, timeout: 30_000 })
