import { expect, test } from 'vitest'
import { fromKafka } from '../../src/connect/kafka/client/errors.ts'

/** An error in the form that the library throws, without a cause. */
function sasl(message: string): Error {
  return Object.assign(new Error(message), { name: 'KafkaJSSASLAuthenticationError' })
}

test.each([
  'SASL PLAIN authentication failed: Closed connection',
  'SASL PLAIN authentication failed: Connection error: read ECONNRESET',
  'SASL SCRAM SHA256 authentication failed: Connection timeout',
  'SASL SCRAM SHA512 authentication failed: Connection closed by the server',
  'SASL OAUTHBEARER authentication failed: Not connected',
])('a broker that goes while it authenticates is away: %s', (message) => {
  expect(fromKafka(sasl(message), 'INVARIANT').code).toBe('BROKER_UNAVAILABLE')
})

test.each([
  'SASL PLAIN authentication failed: Authentication failed: Invalid username or password',
  'SASL SCRAM SHA256: Invalid username or password',
])('one that refuses is not: %s', (message) => {
  expect(fromKafka(sasl(message), 'INVARIANT').code).toBe('AUTHENTICATION')
})
