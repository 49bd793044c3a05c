import kafkajs, { type AuthenticationProviderArgs, type Mechanism } from 'kafkajs'
import { messageOf, TidemarkError } from '../../../kernel/errors.ts'
import { unavailable } from './errors.ts'
import type { BearerOptions, KafkaSasl } from './options.ts'
import { tokensOfAws, tokensOfClient } from './token-providers.ts'
import {
  type AccessToken,
  type RenewalContext,
  RenewedTokens,
  type Tokens,
  tokensOfFile,
} from './tokens.ts'

// SASL OAUTHBEARER (RFC 7628), instead of the library's own. That one takes a refusal for success,
// because a broker answers with the reason first, and with an error only once that is acknowledged.

type Send = AuthenticationProviderArgs['saslAuthenticate']

const ACKNOWLEDGEMENT = '\u0001'
const LENGTH_BYTES = 4

export class BearerLogin implements Mechanism {
  readonly mechanism = 'oauthbearer'
  readonly #tokens: Tokens
  readonly #extensions: string
  readonly #accepted = new WeakSet<AccessToken>()

  constructor(tokens: Tokens, extensions: Readonly<Record<string, string>>) {
    this.#tokens = tokens
    this.#extensions = Object.entries(extensions)
      .map(([name, value]) => `${name}=${value}\u0001`)
      .join('')
  }

  /** The broker takes nothing else during an exchange, so the token must be there before. */
  async prepare(): Promise<void> {
    await this.#token()
  }

  authenticationProvider({ saslAuthenticate: send }: { readonly saslAuthenticate: Send }) {
    return { authenticate: () => this.#authenticate(send) }
  }

  close(): void {
    this.#tokens.close?.()
  }

  async #authenticate(send: Send): Promise<void> {
    const token = await this.#token()
    const refusal = await this.#exchange(send, token)
    if (refusal !== null) throw forLibrary(this.#refusalOf(token, refusal))
    this.#accepted.add(token)
  }

  async #exchange(send: Send, { value }: AccessToken): Promise<string | null> {
    try {
      const reason = await say(send, `n,,\u0001auth=Bearer ${value}\u0001${this.#extensions}\u0001`)
      if (reason === '') return null
      await say(send, ACKNOWLEDGEMENT)
      return reason
    } catch (thrown) {
      if ((thrown as { type?: unknown }).type !== 'SASL_AUTHENTICATION_FAILED') throw thrown
      return messageOf(thrown)
    }
  }

  /** An accepted token may have been revoked; the next one may be accepted again. */
  #refusalOf(token: AccessToken, refusal: string): TidemarkError {
    const message = `the broker refuses the access token: ${refusal}`
    if (this.#accepted.has(token)) {
      this.#tokens.drop?.(token)
      return unavailable(message)
    }
    const hint = "compare the token's issuer, audience and scope with what the brokers expect"
    return new TidemarkError('AUTHENTICATION', message, { hint })
  }

  async #token(): Promise<AccessToken> {
    try {
      return await this.#tokens.current()
    } catch (thrown) {
      throw forLibrary(thrown as TidemarkError)
    }
  }
}

export function bearerLoginOf(sasl: KafkaSasl | undefined, context: RenewalContext) {
  if (sasl?.mechanism === 'oauthbearer') {
    return new BearerLogin(tokensOf(sasl.token, context), sasl.extensions ?? {})
  }
  if (sasl?.mechanism === 'aws-msk-iam') {
    return new BearerLogin(new RenewedTokens(tokensOfAws(sasl.region), context), {})
  }
  return null
}

function tokensOf(token: BearerOptions['token'], context: RenewalContext): Tokens {
  if (typeof token === 'function') return new RenewedTokens(token, context)
  if ('file' in token) return tokensOfFile(token.file, context.clock)
  return new RenewedTokens(tokensOfClient(token, context.clock), context)
}

async function say(send: Send, message: string): Promise<string> {
  const text = Buffer.from(message)
  const request = Buffer.alloc(LENGTH_BYTES + text.length)
  request.writeInt32BE(text.length)
  text.copy(request, LENGTH_BYTES)
  const answer = await send({
    request: { encode: () => request },
    response: {
      decode: (bytes) => bytes,
      parse: (bytes) => bytes.subarray(LENGTH_BYTES).toString(),
    },
  })
  return answer ?? ''
}

/** The library would retry other errors. */
function forLibrary(cause: TidemarkError): Error {
  return Object.assign(new kafkajs.KafkaJSNonRetriableError(cause.message), { cause })
}
