import { createRequire } from 'node:module'
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { patchConnections } from '../../src/connect/kafka/client/connections.ts'

// When the library authenticates a connection again.

interface LibraryConnection {
  authenticatedAt: [number, number] | null
  sessionLifetime: { toNumber(): number }
  sasl: object
  isAuthenticated(): boolean
  send(): Promise<object>
}

const require = createRequire(import.meta.url)
const Connection = require('kafkajs/src/network/connection') as { prototype: LibraryConnection }
const Authenticator = require('kafkajs/src/broker/saslAuthenticator') as {
  prototype: { authenticate(): Promise<void> }
}

beforeAll(patchConnections)

/** A connection whose exchange is over with the answer to its first request. */
function connection(lifeMs: number, more: object = {}, send = answer): LibraryConnection {
  const authenticationProvider = () => ({ authenticate: async () => {} })
  return Object.assign(Object.create(Connection.prototype) as LibraryConnection, {
    sasl: { mechanism: 'oauthbearer', authenticationProvider, ...more },
    sessionLifetime: { toNumber: () => lifeMs },
    authenticatedAt: [0, 0] as [number, number],
    send,
  })
}

async function answer(): Promise<object> {
  return { enabledMechanisms: ['OAUTHBEARER'] }
}

async function exchange(of: LibraryConnection): Promise<void> {
  const { prototype } = Authenticator
  const authenticator = Object.assign(Object.create(prototype) as typeof prototype, {
    connection: of,
    saslHandshake: () => ({}),
    logger: { namespace: () => null },
  })
  await authenticator.authenticate()
}

test.each([
  [60_000, 51_000],
  [4_000, 3_400],
  // A broker takes another exchange once a second.
  [1_000, 1_050],
])('a session of %i ms is renewed %i ms after its exchange began', async (lifeMs, dueMs) => {
  const now = vi.spyOn(performance, 'now')
  now.mockReturnValue(500)
  const of = connection(lifeMs)
  await exchange(of)
  now.mockReturnValue(500 + dueMs - 1)
  expect(of.isAuthenticated()).toBe(true)
  now.mockReturnValue(500 + dueMs)
  expect(of.isAuthenticated()).toBe(false)
  now.mockRestore()
})

test('a session without a limit is never renewed, and a connection without a session has to log in', () => {
  const of = connection(0)
  expect(of.isAuthenticated()).toBe(true)
  of.authenticatedAt = null
  expect(of.isAuthenticated()).toBe(false)
})

test('requests wait for an exchange that is going on, and for another after one that failed', async () => {
  const now = vi.spyOn(performance, 'now').mockReturnValue(100_000)
  onTestFinished(() => now.mockRestore())
  const meanwhile: boolean[] = []
  const send = async () => {
    meanwhile.push(of.isAuthenticated())
    if (meanwhile.length === 1) throw new Error('gone')
    return answer()
  }
  const of = connection(60_000, {}, send)
  await expect(exchange(of)).rejects.toThrow('gone')
  expect(of.isAuthenticated()).toBe(false)
  await exchange(of)
  expect(of.isAuthenticated()).toBe(true)
  expect(meanwhile).toEqual([false, false])
})

test('nothing is sent to a broker before there is something to log in with', async () => {
  const send = vi.fn<() => Promise<object>>(answer)
  const prepare = async () => {
    throw new Error('no token')
  }
  await expect(exchange(connection(0, { prepare }, send))).rejects.toThrow('no token')
  expect(send).not.toHaveBeenCalled()
  await exchange(connection(0, { prepare: async () => {} }, send))
  expect(send).toHaveBeenCalledOnce()
})
