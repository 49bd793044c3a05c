import { createSign, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, onTestFinished } from 'vitest'
import { ConditionVariable } from '../../src/kernel/condition-variable.ts'
import type { OwnKafkaOptions } from './from-maven.ts'

// An identity provider: a token endpoint, and the keys by which brokers check its tokens.

/** A client that the provider knows. */
export const CLIENT = { clientId: 'scorer', clientSecret: 'a secret: 100 %' } as const

const ISSUER = 'https://login.example'
const AUDIENCE = 'kafka'
/** How long a session with a password lasts on such a Kafka, ms. */
export const SESSION_MS = 8_000

/** Signs tokens, for the tests of a file. Brokers read its public key from a file. */
export class TokenIssuer {
  readonly #key: KeyObject
  readonly #keyId = randomUUID()
  readonly #jwksUrl: string

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    this.#key = privateKey
    const jwk = {
      ...publicKey.export({ format: 'jwk' }),
      kid: this.#keyId,
      alg: 'RS256',
      use: 'sig',
    }
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-issuer-'))
    afterAll(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'jwks.json'), JSON.stringify({ keys: [jwk] }))
    this.#jwksUrl = `file://${join(folder, 'jwks.json')}`
  }

  /** A Kafka whose SECURE listener takes its tokens too, and ends sessions. */
  get kafka(): OwnKafkaOptions {
    const listener = 'listener.name.secure.oauthbearer'
    const bearer = 'org.apache.kafka.common.security.oauthbearer'
    return {
      javaOptions: `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${this.#jwksUrl}`,
      settings: {
        'sasl.enabled.mechanisms': 'SCRAM-SHA-512,OAUTHBEARER',
        'sasl.oauthbearer.jwks.endpoint.url': this.#jwksUrl,
        'sasl.oauthbearer.expected.issuer': ISSUER,
        'sasl.oauthbearer.expected.audience': AUDIENCE,
        'sasl.oauthbearer.clock.skew.seconds': '0',
        'listener.name.secure.scram-sha-512.connections.max.reauth.ms': String(SESSION_MS),
        [`${listener}.sasl.jaas.config`]: `${bearer}.OAuthBearerLoginModule required;`,
        [`${listener}.sasl.server.callback.handler.class`]: `${bearer}.OAuthBearerValidatorCallbackHandler`,
      },
    }
  }

  /** A token for a subject, which lives up to a second longer. */
  token(subject: string, lifeS: number, audience = AUDIENCE): string {
    const nowS = Date.now() / 1_000
    const times = { iat: Math.floor(nowS), exp: Math.ceil(nowS + lifeS) }
    const parts = [
      { alg: 'RS256', typ: 'JWT', kid: this.#keyId },
      { iss: ISSUER, aud: audience, sub: subject, ...times },
    ]
    const signed = parts.map((part) => base64url(JSON.stringify(part))).join('.')
    const signature = createSign('RSA-SHA256').update(signed).sign(this.#key)
    return `${signed}.${base64url(signature)}`
  }
}

export type Respond = (request: TokenRequest) => { readonly status: number; readonly body: unknown }

/** A request for a token. */
export interface TokenRequest {
  readonly authorization: string
  readonly form: URLSearchParams
}

/** A token endpoint. */
export class TokenEndpoint {
  readonly requests: TokenRequest[] = []
  readonly #changed = new ConditionVariable()
  /** `null`: it hangs up. */
  respond: Respond | null
  /** Nobody listens any more. */
  stop = async () => {}
  #url = ''

  private constructor(respond: Respond) {
    this.respond = respond
  }

  /** @param pem file with the certificate and its key @default plain HTTP */
  static async start(respond: Respond, pem?: string): Promise<TokenEndpoint> {
    const endpoint = new TokenEndpoint(respond)
    const handle = (request: IncomingMessage, response: ServerResponse) =>
      void endpoint.#handle(request, response)
    const tls = pem === undefined ? null : readFileSync(pem)
    const server = tls ? createHttps({ key: tls, cert: tls }, handle) : createHttp(handle)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    endpoint.stop = async () => {
      server.close()
      server.closeAllConnections()
    }
    onTestFinished(endpoint.stop)
    const { port } = server.address() as AddressInfo
    endpoint.#url = `${tls ? 'https' : 'http'}://127.0.0.1:${port}/oauth/token`
    return endpoint
  }

  get url(): string {
    return this.#url
  }

  /** Resolves when so many more requests have come. */
  more(count: number): Promise<void> {
    const until = this.requests.length + count
    return this.#changed.until(() => this.requests.length >= until)
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request))
    const asked = { authorization: request.headers.authorization ?? '', form }
    this.requests.push(asked)
    this.#changed.notifyAll()
    if (this.respond === null) {
      request.socket.destroy()
      return
    }
    const { status, body } = this.respond(asked)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

/** Gives the client its tokens, and refuses others. */
export function tokensFrom(issuer: TokenIssuer, lifeS: number): Respond {
  const login = `${CLIENT.clientId}:${encodeURIComponent(CLIENT.clientSecret)}`
  const known = `Basic ${Buffer.from(login).toString('base64')}`
  return ({ authorization }) => {
    if (authorization !== known) {
      return { status: 401, body: { error: 'invalid_client', error_description: 'wrong secret' } }
    }
    const token = issuer.token(CLIENT.clientId, lifeS)
    return { status: 200, body: { access_token: token, token_type: 'Bearer', expires_in: lifeS } }
  }
}

function base64url(bytes: string | Buffer): string {
  return Buffer.from(bytes).toString('base64url')
}
