import { createRequire } from 'node:module'
import { beforeAll, expect, test, vi } from 'vitest'
import { patchSessions } from '../../src/records/kafka/sessions.ts'

// When the library authenticates a connection again.

interface LibraryConnection {
  authenticatedAt: [number, number] | null
  sessionLifetime: { toNumber(): number }
  sasl: object
  isAuthenticated(): boolean
  send(): Promise<never>
}

const require = createRequire(import.meta.url)
const Connection = require('kafkajs/src/network/connection') as { prototype: LibraryConnection }
const Authenticator = require('kafkajs/src/broker/saslAuthenticator') as {
  prototype: { authenticate(): Promise<void> }
}

beforeAll(patchSessions)

/** A connection whose exchange ends as its `send` does. */
function connection(lifeMs: number, sasl: object): LibraryConnection {
  return Object.assign(Object.create(Connection.prototype) as LibraryConnection, {
    sasl: { mechanism: 'oauthbearer', ...sasl },
    sessionLifetime: { toNumber: () => lifeMs },
    authenticatedAt: [0, 0] as [number, number],
    send: async (): Promise<never> => {
      throw new Error('sent')
    },
  })
}

/** Begins an exchange, which does not get beyond its first request. */
async function begin(of: LibraryConnection): Promise<string> {
  const { prototype } = Authenticator
  const authenticator = Object.assign(Object.create(prototype) as typeof prototype, {
    connection: of,
    saslHandshake: () => ({}),
  })
  return authenticator.authenticate().then(
    () => 'done',
    (error: unknown) => (error as Error).message,
  )
}

test.each([
  [60_000, 51_000],
  [4_000, 3_400],
  // A broker takes another exchange once a second.
  [1_000, 1_050],
])('a session of %i ms is renewed %i ms after its exchange began', async (lifeMs, dueMs) => {
  const now = vi.spyOn(performance, 'now')
  now.mockReturnValue(500)
  const of = connection(lifeMs, {})
  await begin(of)
  now.mockReturnValue(500 + dueMs - 1)
  expect(of.isAuthenticated()).toBe(true)
  now.mockReturnValue(500 + dueMs)
  expect(of.isAuthenticated()).toBe(false)
  now.mockRestore()
})

test('a session without a limit is never renewed, and a connection without a session has to log in', () => {
  const of = connection(0, {})
  expect(of.isAuthenticated()).toBe(true)
  of.authenticatedAt = null
  expect(of.isAuthenticated()).toBe(false)
})

test('nothing is sent to a broker before there is something to log in with', async () => {
  const prepare = async () => {
    throw new Error('no token')
  }
  expect(await begin(connection(0, { prepare }))).toBe('no token')
  expect(await begin(connection(0, { prepare: async () => {} }))).toBe('sent')
})
