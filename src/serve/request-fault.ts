import type { Code } from '../kernel/errors.ts'

// Bounds of requests, and how one is refused.

export const MOST = {
  bodyBytes: 2 ** 20,
  headerBytes: 2 ** 14,
  answerBytes: 2 ** 26,
  /** Scores that a model gives for one request. */
  answerNumbers: 2 ** 23,
  /** Bytes of all requests together, from when they come until their answers have left. */
  heldBytes: 2 ** 28,
  /** Connections that serve every route; more serve probes only. */
  connections: 960,
  probeConnections: 64,
  /** How long the headers of a request may take to arrive, ms. */
  arrivalMs: 10_000,
  /** How long a request may wait for its answer, ms, from its headers. */
  waitMs: 10_000,
  /** How long it takes with the departure of its answer, ms, from its headers. */
  wholeMs: 30_000,
  /**
   * How long a connection may be idle, ms: longer than proxies keep theirs, 60 s mostly. A request
   * could meet a server that closes its connection, and a proxy would answer 502.
   */
  idleMs: 75_000,
  /** How long a server that closes waits for its requests, ms. */
  stopMs: 2_000,
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

/** The fault of a request for whose answer nobody waits. */
export function gone(): RequestFault {
  return new RequestFault(499, 'the client is gone')
}

/** The answer to a request that has failed. */
export function refusal(error: unknown) {
  if (!(error instanceof RequestFault)) {
    // Its message may have a value of the request.
    process.emitWarning(`answering a request failed: ${error instanceof Error ? error.name : ''}`)
    return { status: 500, body: { error: 'the server has failed' } }
  }
  const { status, message, where, code, headers } = error
  const place = { ...(code && { code }), ...(where !== undefined && { where }) }
  return { status, headers, body: { error: message, ...place } }
}
