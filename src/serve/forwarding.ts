import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import {
  DEADLINE,
  type HttpReply,
  type HttpRequest,
  LATER,
  RequestFault,
} from './request-server.ts'
import { JSON_LENGTH } from './tensors.ts'

// Requests that another worker answers. An address is `host:port`, with `#2` for the second of
// several workers behind it.

const FORWARDED = 'tidemark-forwarded'
/** Which of the workers behind one address is meant. */
const WORKER = 'tidemark-worker'
const KEPT = ['authorization', 'content-type', 'tidemark-key', JSON_LENGTH]
const ANSWERED_BY = 'tidemark-answered-by'
const BACK = ['content-type', 'retry-after', JSON_LENGTH, ANSWERED_BY]

/** Has another worker sent it? Then it goes no further. */
export function isForwarded({ headers }: HttpRequest): boolean {
  return headers[FORWARDED] !== undefined
}

/** The worker that is meant, counted from 1; `null`: any. */
export function workerMeant({ headers }: HttpRequest): number | null {
  const worker = Number(headers[WORKER])
  return Number.isInteger(worker) ? worker : null
}

/** The answer of the worker that owns a partition. @throws RequestFault 503: it does not answer */
export async function forwarded(asked: HttpRequest, owner: string): Promise<HttpReply> {
  const [address = '', worker] = owner.split('#')
  const to = { [FORWARDED]: 'true', ...(worker !== undefined && { [WORKER]: worker }) }
  const reply = await sent(asked, address, to)
  return { ...reply, headers: { ...reply.headers, [ANSWERED_BY]: owner } }
}

/** The answer of one of several workers to a request as it is. @throws RequestFault 503 */
export function passedOn(asked: HttpRequest, port: number): Promise<HttpReply> {
  return sent(asked, `127.0.0.1:${port}`, isForwarded(asked) ? { [FORWARDED]: 'true' } : {})
}

async function sent(
  { method, path, headers, body, untilMs }: HttpRequest,
  address: string,
  more: Readonly<Record<string, string>>,
): Promise<HttpReply> {
  const leftMs = Math.ceil(Math.max(1, untilMs - performance.now()))
  const deadline = headers[DEADLINE] === undefined ? {} : { [DEADLINE]: String(leftMs) }
  const kept = { ...picked(headers, KEPT), ...more, ...deadline }
  const signal = AbortSignal.timeout(leftMs)
  try {
    const asking = request(`http://${address}${path}`, { method, headers: kept, agent, signal })
    asking.end(body)
    const [answer] = (await once(asking, 'response')) as [IncomingMessage]
    const { statusCode: status = 502 } = answer
    return { status, headers: picked(answer.headers, BACK), body: await buffer(answer) }
  } catch {
    throw new RequestFault(503, 'the worker that owns it does not answer', LATER)
  }
}

function picked(headers: HttpRequest['headers'], names: readonly string[]): Record<string, string> {
  const found = names.flatMap((name) =>
    headers[name] === undefined ? [] : [[name, headers[name]]],
  )
  return Object.fromEntries(found) as Record<string, string>
}

/** Gives up connections that are idle before their servers do: a request could meet it. */
const agent = new Agent({ keepAlive: true, timeout: 30_000 })
