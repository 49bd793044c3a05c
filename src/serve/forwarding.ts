import { type HttpReply, type HttpRequest, RequestFault } from './request-server.ts'

// Requests that another worker answers. An address is `host:port`, with `#2` for the second of
// several workers behind it.

const FORWARDED = 'tidemark-forwarded'
/** Which of the workers behind one address is meant. */
const WORKER = 'tidemark-worker'
const DEADLINE = 'tidemark-deadline-ms'
const KEPT = ['authorization', 'content-type', 'tidemark-key', 'inference-header-content-length']
const BACK = ['content-type', 'retry-after', 'inference-header-content-length']
export const ANSWERED_BY = 'tidemark-answered-by'

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
  const kept = KEPT.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]]))
  const leftMs = untilMs - performance.now()
  const isBounded = Number.isFinite(leftMs)
  const deadline = isBounded ? { [DEADLINE]: String(Math.max(1, leftMs)) } : {}
  try {
    const answer = await fetch(`http://${address}${path}`, {
      method,
      headers: { ...(Object.fromEntries(kept) as Record<string, string>), ...deadline, ...more },
      ...(method === 'POST' && { body: new Uint8Array(body) }),
      signal: AbortSignal.timeout(isBounded ? Math.max(1, leftMs) : LONGEST_MS),
    })
    const back = [...BACK, ANSWERED_BY].flatMap((name) => {
      const value = answer.headers.get(name)
      return value === null ? [] : [[name, value]]
    })
    const bytes = Buffer.from(await answer.arrayBuffer())
    return { status: answer.status, headers: Object.fromEntries(back), body: bytes }
  } catch {
    const retry = { 'retry-after': '1' }
    throw new RequestFault(503, 'the worker that owns it does not answer', { headers: retry })
  }
}

/** ms */
const LONGEST_MS = 10_000
