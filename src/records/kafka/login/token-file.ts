import { readFile } from 'node:fs/promises'
import type { Clock } from '../../../kernel/clock.ts'
import { messageOf } from '../../../kernel/errors.ts'
import { type AccessToken, expiryOfJwt, isBearer, unavailable } from './access-token.ts'
import type { Tokens } from './tokens.ts'

/**
 * A token in a file, which someone else replaces before the token runs out, as Kubernetes does with
 * the tokens of service accounts. Each authentication reads the file.
 */
export class TokenFile implements Tokens {
  readonly #path: string
  readonly #clock: Clock
  #latest: AccessToken | null = null

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
  }

  async current(): Promise<AccessToken> {
    const value = await this.#read()
    if (value !== this.#latest?.value) {
      // Of a token that is no JWT only its issuer knows when it runs out.
      this.#latest = { value, expiresAtMs: expiryOfJwt(value) ?? Number.POSITIVE_INFINITY }
    }
    const { expiresAtMs } = this.#latest
    const leftMs = expiresAtMs - this.#clock.nowMs()
    if (leftMs > 0) return this.#latest
    throw this.#unavailable(`ran out ${-leftMs} ms ago`)
  }

  drop(): void {
    // The file is read again anyway.
  }

  close(): void {
    // Nothing is kept open.
  }

  async #read(): Promise<string> {
    const text = await readFile(this.#path, 'utf8').catch((cause: unknown) => {
      throw this.#unavailable(`cannot be read: ${messageOf(cause)}`, cause)
    })
    const value = text.trim()
    if (isBearer(value)) return value
    throw this.#unavailable('is no bearer token (RFC 6750)')
  }

  #unavailable(what: string, cause?: unknown) {
    const hint = 'whatever writes the file should replace it before its token runs out'
    return unavailable(`the access token in ${this.#path} ${what}`, { hint, cause })
  }
}
