import { messageOf } from './errors.ts'

const MOST_REDIRECTS = 5
const MOST_OF_A_REFUSAL = 2_000

/** Bytes that may still be downloaded; shared by downloads that belong together. */
export interface Budget {
  left: number
}

export interface DownloadOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly budget: Budget
  readonly signal: AbortSignal
}

/** Why a download failed. */
export class DownloadError extends Error {
  /** `null`: no whole answer came. */
  readonly status: number | null
  /** The start of a refusal's text, which its server chose. */
  readonly answer: string

  constructor(message: string, status: number | null, answer = '') {
    super(message)
    this.status = status
    this.answer = answer
  }

  /** Whether another attempt may succeed. */
  get isOutage(): boolean {
    return this.status === null || this.status >= 500
  }
}

/** Follows redirects on the same origin only. Bounds count decoded bytes. @throws DownloadError */
export async function download(url: URL, options: DownloadOptions): Promise<Buffer> {
  let at = url
  for (let redirects = 0; ; redirects++) {
    const answer = await answerOf(at, options)
    const location = answer.headers.get('location')
    if (answer.status < 300 || answer.status >= 400 || location === null) {
      return wholeOf(answer, options)
    }
    await answer.body?.cancel()
    if (redirects === MOST_REDIRECTS)
      throw new DownloadError('it redirects again and again', answer.status)
    if (!URL.canParse(location, at.href) || new URL(location, at).origin !== url.origin) {
      throw new DownloadError(
        'it redirects to another origin, which is not followed',
        answer.status,
      )
    }
    at = new URL(location, at)
  }
}

async function answerOf(url: URL, { headers = {}, signal }: DownloadOptions): Promise<Response> {
  try {
    return await fetch(url, { headers, signal, redirect: 'manual' })
  } catch (thrown) {
    throw outage(thrown)
  }
}

async function wholeOf(answer: Response, { budget }: DownloadOptions): Promise<Buffer> {
  const { ok, status, body } = answer
  const pieces: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
      pieces.push(piece)
      bytes += piece.length
      if (ok) budget.left -= piece.length
      if (ok ? budget.left < 0 : bytes > MOST_OF_A_REFUSAL) break
    }
  } catch (thrown) {
    throw outage(thrown)
  }
  const whole = Buffer.concat(pieces)
  if (!ok) {
    const text = whole.subarray(0, MOST_OF_A_REFUSAL).toString()
    throw new DownloadError(`it answers ${status}`, status, text)
  }
  if (budget.left < 0) throw new DownloadError('it answers with more bytes than allowed', status)
  return whole
}

function outage(thrown: unknown): DownloadError {
  const cause = thrown instanceof Error ? thrown.cause : undefined
  const isLate = thrown instanceof Error && thrown.name === 'TimeoutError'
  const why = isLate ? 'it took too long' : messageOf(cause ?? thrown)
  return new DownloadError(`it does not answer: ${why}`, null)
}
