import { type ErrorDetails, TidemarkError } from '../../../kernel/errors.ts'

/** What a client authenticates with under SASL OAUTHBEARER. */
export interface AccessToken {
  /** The token as its issuer made it, such as a JWT. */
  readonly value: string
  /** When it runs out, ms since the epoch. */
  readonly expiresAtMs: number
}

/** RFC 6750, section 2.1. */
const BEARER = /^[\w.~+/-]+=*$/

/** Is it of the form that bearer tokens have? */
export function isBearer(value: unknown): value is string {
  return typeof value === 'string' && BEARER.test(value)
}

/** When a JWT runs out, ms since the epoch; `null`: it is no JWT, or does not say. */
export function expiryOfJwt(value: string): number | null {
  const [, claims = ''] = value.split('.')
  try {
    const { exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1_000 : null
  } catch {
    return null
  }
}

/** There is no token now, but there may be one later. */
export function unavailable(message: string, details: ErrorDetails = {}): TidemarkError {
  return new TidemarkError('BROKER_UNAVAILABLE', message, details)
}
