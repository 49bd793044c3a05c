import { readFile } from 'node:fs/promises'
import type { Clock } from '../../../kernel/clock.ts'
import { messageOf, TidemarkError } from '../../../kernel/errors.ts'
import { Backoff, type Random } from '../../../kernel/random.ts'
import { unavailable } from './errors.ts'
import { within } from './waiting.ts'

// Access tokens for SASL OAUTHBEARER: one for all connections. A token is renewed when 80 % of its
// life are over, as in Kafka's Java client (sasl.login.refresh.window.factor). While it cannot be
// renewed, the present one is used until it runs out.

export interface Tokens {
  /**
   * Returns a token that has not run out.
   * @throws TidemarkError `BROKER_UNAVAILABLE`: there is none now · `AUTHENTICATION` ·
   * `CONFIG_INVALID`
   */
  current(): Promise<AccessToken>
  /** A broker that had accepted this token no longer does. */
  drop?(token: AccessToken): void
  close?(): void
}

/** Gets a new token; the signal aborts when it is no longer wanted. */
export type TokenProvider = (signal: AbortSignal) => Promise<AccessToken>

export interface RenewalContext {
  readonly clock: Clock
  readonly random: Random
  readonly log: (warning: string) => void
}

const PROVIDE_MS = 10_000
const RENEWED_AFTER = 0.8
/** Workers that started together renew up to this part of its life sooner. */
const JITTER = 0.05
const RETRY = { firstMs: 500, lastMs: 10_000 }

interface Held {
  readonly token: AccessToken
  readonly sinceMs: number
  readonly sinceElapsedMs: number
  readonly lifeMs: number
}

/** Tokens of a provider, one after the other; the first when it is needed. */
export class RenewedTokens implements Tokens {
  readonly #provide: TokenProvider
  readonly #context: RenewalContext
  readonly #backoff: Backoff
  readonly #closing = new AbortController()
  #held: Held | null = null
  #failure: TidemarkError | null = null
  #request: Promise<void> | null = null
  #cancelNext = () => {}

  constructor(provide: TokenProvider, context: RenewalContext) {
    this.#provide = provide
    this.#context = context
    this.#backoff = new Backoff(RETRY, context.random)
  }

  async current(): Promise<AccessToken> {
    const isPaused = this.#failure !== null && this.#request === null
    if (!isValid(this.#held, this.#context.clock) && !isPaused) await this.#renew()
    if (isValid(this.#held, this.#context.clock)) return this.#held.token
    throw this.#failure ?? unavailable('the access token has run out')
  }

  drop(token: AccessToken): void {
    if (this.#held?.token === token) this.#held = null
  }

  close(): void {
    this.#closing.abort()
    this.#cancelNext()
  }

  #renew(): Promise<void> {
    this.#request ??= this.#replace().finally(() => {
      this.#request = null
    })
    return this.#request
  }

  async #replace(): Promise<void> {
    this.#cancelNext()
    const { clock } = this.#context
    let nextMs: number
    try {
      const { lifeMs } = (this.#held = await this.#ask())
      this.#failure = null
      this.#backoff.reset()
      nextMs = lifeMs * (RENEWED_AFTER - JITTER * this.#context.random())
    } catch (thrown) {
      this.#failure = asFailure(thrown)
      this.#warn(this.#failure)
      nextMs = this.#backoff.nextMs()
    }
    if (this.#closing.signal.aborted) return
    this.#cancelNext = clock.after(nextMs, () => void this.#renew())
  }

  async #ask(): Promise<Held> {
    const { clock } = this.#context
    const over = new AbortController()
    const provided = this.#provide(AbortSignal.any([this.#closing.signal, over.signal]))
    const limit = { ms: PROVIDE_MS, doing: 'getting an access token', clock }
    const token = await within(limit, provided).finally(() => over.abort())
    if (!isBearer(token?.value) || !Number.isFinite(token.expiresAtMs)) {
      const hint = 'provide { value, expiresAtMs }: a bearer token (RFC 6750), ms since the epoch'
      throw new TidemarkError('CONFIG_INVALID', 'what is provided is no access token', { hint })
    }
    const [sinceMs, sinceElapsedMs] = [clock.nowMs(), clock.elapsedMs()]
    const lifeMs = token.expiresAtMs - sinceMs
    if (lifeMs <= 0)
      throw unavailable(`the new access token ran out ${-lifeMs} ms ago: compare the clocks`)
    return { token, sinceMs, sinceElapsedMs, lifeMs }
  }

  #warn({ message }: TidemarkError): void {
    const held = this.#held
    if (held === null || !isValid(held, this.#context.clock)) return
    const leftMs = held.lifeMs - ageMs(held, this.#context.clock)
    this.#context.log(`${message}; the present token is valid for ${Math.ceil(leftMs / 1_000)} s`)
  }
}

/** By the clock that says more: one may have been set, the other may have stood still. */
function ageMs({ sinceMs, sinceElapsedMs }: Held, clock: Clock): number {
  return Math.max(clock.nowMs() - sinceMs, clock.elapsedMs() - sinceElapsedMs)
}

function isValid(held: Held | null, clock: Clock): held is Held {
  return held !== null && ageMs(held, clock) < held.lifeMs
}

/** Any other error of a provider may be temporary. */
function asFailure(thrown: unknown): TidemarkError {
  if (thrown instanceof TidemarkError) return thrown
  return unavailable(`there is no access token: ${messageOf(thrown)}`, { cause: thrown })
}

/** An access token for SASL OAUTHBEARER. */
export interface AccessToken {
  /** The token as its issuer made it, such as a JWT. */
  readonly value: string
  /** When it runs out, ms since the epoch. */
  readonly expiresAtMs: number
}

const BEARER = /^[\w.~+/-]+=*$/

export function isBearer(value: unknown): value is string {
  return typeof value === 'string' && BEARER.test(value)
}

/** Time when a JWT runs out, ms since the epoch; `null`: it is not a JWT, or does not say. */
export function expiryOfJwt(value: string): number | null {
  const [, claims = ''] = value.split('.')
  try {
    const { exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1_000 : null
  } catch {
    return null
  }
}

/** A file whose token is replaced before it runs out, as for Kubernetes' service accounts. */
export function tokensOfFile(path: string, clock: Clock): Tokens {
  let latest: AccessToken | null = null
  const fault = (message: string, cause?: unknown) => {
    const hint = 'whatever writes the file should replace it before its token runs out'
    return unavailable(`the access token in ${path} ${message}`, { hint, cause })
  }
  return {
    async current() {
      const text = await readFile(path, 'utf8').catch((cause: unknown) => {
        throw fault(`cannot be read: ${messageOf(cause)}`, cause)
      })
      const value = text.trim()
      if (!isBearer(value)) throw fault('is no bearer token (RFC 6750)')
      if (value !== latest?.value) {
        // Only the issuer of a token that is not a JWT knows when it runs out.
        latest = { value, expiresAtMs: expiryOfJwt(value) ?? Number.POSITIVE_INFINITY }
      }
      const leftMs = latest.expiresAtMs - clock.nowMs()
      if (leftMs <= 0) throw fault(`ran out ${-leftMs} ms ago`)
      return latest
    },
  }
}
