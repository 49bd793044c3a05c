import { once } from 'node:events'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Clock } from '../../../kernel/clock.ts'
import { messageOf, TidemarkError } from '../../../kernel/errors.ts'
import { jsonObject } from '../../../kernel/json.ts'
import { isLoopback } from '../../../kernel/node.ts'
import { tlsFault } from '../../../kernel/tls.ts'
import { unavailable } from './errors.ts'
import { expiryOfJwt, isBearer, type TokenProvider } from './tokens.ts'

// Tokens of an identity provider, for the client's own credentials (RFC 6749, section 4.4), and of
// AWS.

/** A client of an identity provider. */
export interface ClientCredentials {
  /** URL of the provider's token endpoint: https, or http on this machine. */
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  /** The token's scope, in the provider's terms. @default as the provider decides */
  readonly scope?: string
  /** CA certificates to verify the endpoint's certificate with, PEM. @default those of Node */
  readonly ca?: string
}

const MOST_BYTES = 1_000_000
/** Status codes below 500 after which the same request may succeed: time-out, too many requests. */
const TEMPORARY: ReadonlySet<number> = new Set([408, 429])

/** Returns the fault of a token endpoint's URL; `null`: none. */
export function faultOfTokenUrl(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  // Messages do not repeat the text, which may contain a password.
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return 'is not an https URL'
  if (url.username !== '' || url.password !== '') return 'contains credentials'
  if (url.protocol === 'https:' || isLoopback(url.hostname)) return null
  return 'would send the client secret in plain text: use https'
}

export function tokensOfClient(client: ClientCredentials, clock: Clock): TokenProvider {
  return async (signal) => {
    const { status, text } = await ask(client, signal)
    const fields = jsonObject(text)
    if (status !== 200) throw refusal(client, status, fields)
    const wrong = (fault: string) => {
      const message = `the answer of the token endpoint ${fault}`
      return unavailable(message, { where: client.url })
    }
    if (fields === null) throw wrong('is not a JSON object')
    const { access_token: value, token_type: type = 'Bearer' } = fields
    if (!isBearer(value)) throw wrong('has no access_token that is a bearer token (RFC 6750)')
    if (!/^bearer$/i.test(String(type))) throw wrong(`has the token_type ${JSON.stringify(type)}`)
    return { value, expiresAtMs: expiryOf(value, fields['expires_in']) }

    function expiryOf(jwt: string, life: unknown): number {
      const expiresAtMs = life === undefined ? expiryOfJwt(jwt) : clock.nowMs() + msOf(life)
      if (expiresAtMs !== null) return expiresAtMs
      throw wrong('does not say when the token runs out (expires_in)')
    }

    function msOf(life: unknown): number {
      // Some providers write the number as text.
      const seconds = /^\d+$/.test(String(life)) ? Number(life) : Number.NaN
      if (seconds > 0) return seconds * 1_000
      throw wrong(`has the expires_in ${JSON.stringify(life)}, which is no number of seconds`)
    }
  }
}

async function ask(client: ClientCredentials, signal: AbortSignal) {
  const { url: where } = client
  try {
    return await post(client, signal)
  } catch (cause) {
    const { code } = cause as { readonly code?: unknown }
    const tls = tlsFault(cause, '--sasl-token')
    // An error for several addresses has no message.
    const reason = tls?.what ?? (messageOf(cause) || String(code))
    const message = `the token endpoint cannot be asked: ${reason}`
    if (tls === null) throw unavailable(message, { where, cause })
    throw new TidemarkError('AUTHENTICATION', message, { where, hint: tls.hint, cause })
  }
}

async function post(client: ClientCredentials, signal: AbortSignal) {
  const { url, scope, ca } = client
  const request = new URL(url).protocol === 'https:' ? requestHttps : requestHttp
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope && { scope }) })
  const sent = request(url, {
    method: 'POST',
    // The next request is minutes away.
    agent: false,
    signal,
    headers: {
      accept: 'application/json',
      authorization: basicLogin(client),
      'content-type': 'application/x-www-form-urlencoded',
    },
    ...(ca === undefined ? {} : { ca }),
  })
  // An error that ends the answer is emitted here as well.
  sent.on('error', () => {}).end(form.toString())
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > MOST_BYTES) throw new Error('its answer is larger than 1 MB')
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() }
}

function basicLogin({ clientId, clientSecret }: ClientCredentials): string {
  const login = [clientId, clientSecret].map(encodeURIComponent).join(':')
  return `Basic ${Buffer.from(login).toString('base64')}`
}

/** The error for an answer without a token (RFC 6749, section 5.2). */
function refusal(
  { url: where, clientId }: ClientCredentials,
  status: number,
  fields: Readonly<Record<string, unknown>> | null,
): TidemarkError {
  const { error, error_description: about } = fields ?? {}
  const why = [status, error, about].filter((part) => part !== undefined).map(String)
  if (status >= 500 || TEMPORARY.has(status)) {
    return unavailable(`the token endpoint answers with ${why.join(': ')}`, { where })
  }
  const message = `the token endpoint refuses the client "${clientId}": ${why.join(': ')}`
  const hint = 'check the URL, the client id, its secret and the scope'
  return new TidemarkError('AUTHENTICATION', message, { where, hint })
}

// Amazon MSK's IAM access control takes a signed URL as access token. AWS's own package signs it,
// and is installed only by those who need it, because it comes with the AWS SDK.

export const SIGNER = 'aws-msk-iam-sasl-signer-js'

interface Signer {
  readonly generateAuthToken: (options: { readonly region: string }) => Promise<{
    readonly token: string
    /** ms since the epoch */
    readonly expiryTime: number
  }>
}

/** Returns the path of the signer, from where Node would find it for this package or the user's. */
export function findSigner(folders: readonly string[] = [import.meta.dirname, process.cwd()]) {
  for (const folder of folders) {
    try {
      return createRequire(join(folder, 'index.js')).resolve(SIGNER)
    } catch {
      // The next folder may have it.
    }
  }
  return null
}

export function tokensOfAws(region: string, signer = findSigner()): TokenProvider {
  return async () => {
    const { generateAuthToken } = createRequire(import.meta.url)(signer ?? SIGNER) as Signer
    const { token, expiryTime } = await generateAuthToken({ region })
    return { value: token, expiresAtMs: expiryTime }
  }
}
