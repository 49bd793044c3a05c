import { createRequire } from 'node:module'

// Patches when the library authenticates a connection again, before the broker ends its session
// (KIP-368).
//
// The library does so 10 s before the end: with sessions of 10 s or less before every request, and
// so more often than the once a second that a broker accepts. And it begins the exchange before it
// has what to log in with.
//
// A connection is authenticated again by the next request that is sent over it; requests that come
// meanwhile wait. A session that ended while nothing was sent is renewed in the same way.
//
// Private to kafkajs 2.2.4: network/connection.js, broker/saslAuthenticator/index.js.

interface Connection {
  /** `null`: it is not authenticated. */
  readonly authenticatedAt: unknown
  /** ms; 0: no limit */
  readonly sessionLifetime: { toNumber(): number }
}

interface Authenticator {
  readonly connection: Connection & { readonly sasl: { readonly prepare?: () => Promise<void> } }
  readonly authenticate: (this: Authenticator) => Promise<void>
}

/** The part of a session after which it is renewed, as in Kafka's Java client. */
const RENEWED_AFTER = 0.85
/** A broker lets a connection begin again once a second (`KafkaChannel`), ms. */
const SHORTEST_MS = 1_050

/**
 * When the latest exchange of a connection that succeeded began, by `performance.now()`. The
 * broker's session begins later.
 */
const beganMs = new WeakMap<Connection, number>()

let isPatched = false

/** Patches the library, once. */
export function patchSessions(): void {
  if (isPatched) return
  isPatched = true
  const require = createRequire(import.meta.url)
  const { prototype: connection } = require('kafkajs/src/network/connection') as {
    readonly prototype: Connection
  }
  const { prototype: authenticator } = require('kafkajs/src/broker/saslAuthenticator') as {
    readonly prototype: Authenticator
  }
  const { authenticate } = authenticator
  Object.assign(connection, {
    isAuthenticated(this: Connection) {
      return this.authenticatedAt !== null && !isDue(this)
    },
  })
  Object.assign(authenticator, {
    async authenticate(this: Authenticator) {
      await this.connection.sasl.prepare?.()
      const nowMs = performance.now()
      await authenticate.call(this)
      // Until then the session is due, so that requests wait: one that is sent in the middle of an
      // exchange is refused (`ILLEGAL_SASL_STATE`).
      beganMs.set(this.connection, nowMs)
    },
  })
}

function isDue(connection: Connection): boolean {
  const lifeMs = connection.sessionLifetime.toNumber()
  if (lifeMs === 0) return false
  const ageMs = performance.now() - (beganMs.get(connection) ?? 0)
  return ageMs >= Math.max(lifeMs * RENEWED_AFTER, SHORTEST_MS)
}
