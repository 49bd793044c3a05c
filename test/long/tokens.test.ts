import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { CardFraud, unanswered } from '../integration/card-fraud.ts'
import { SteadyPayments } from '../integration/steady.ts'
import type { OwnKafka } from '../services/from-maven.ts'
import {
  CLIENT,
  SESSION_MS,
  TokenEndpoint,
  TokenIssuer,
  tokensFrom,
} from '../services/identity-provider.ts'
import { freshKafkaTests } from '../services/own-kafka.ts'
import type { Running } from '../services/tidemark.ts'
import { tidemark } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'

// Workers whose sessions with the brokers last for seconds, because their access tokens run out, or
// because the brokers say so.

const LIFE_S = 8
const LIVES = 2
const PER_SECOND = 300
const issuer = new TokenIssuer()

/** The flags for the SECURE listener, without a login. */
function overTls({ service: { secure } }: OwnKafka): string[] {
  const { brokers = [], caFile = '' } = secure ?? {}
  return ['--brokers', brokers.join(','), '--tls', '--tls-ca', caFile]
}

/** A token endpoint with a certificate of the brokers' authority. */
function endpointFor(kafka: OwnKafka): Promise<TokenEndpoint> {
  const pem = join(kafka.node(1).dir, '../server.pem')
  return TokenEndpoint.start(tokensFrom(issuer, LIFE_S), pem)
}

/** The flags for a login with tokens of an endpoint. */
function withTokens(kafka: OwnKafka, { url }: TokenEndpoint, secret: string): string[] {
  const folder = folderWith({ secret })
  return [
    ...overTls(kafka),
    ...['--sasl-mechanism', 'oauthbearer', '--sasl-token-url', url],
    ...['--sasl-token-ca', kafka.service.secure?.caFile ?? ''],
    ...['--sasl-client-id', CLIENT.clientId],
    ...['--sasl-client-secret-file', join(folder, 'secret')],
  ]
}

/** A worker of card-fraud, and payments at an even pace. */
async function working(kafka: OwnKafka, reach: readonly string[]) {
  const cards = await CardFraud.on(kafka.service, undefined, reach)
  onTestFinished(() => cards.close())
  const worker = cards.run()
  await worker.says('worker is running')
  return { cards, worker, steady: new SteadyPayments(cards, PER_SECOND) }
}

/** Stops the worker when it has committed everything; each payment is answered once. */
async function expectOnce(cards: CardFraud, worker: Running): Promise<void> {
  await cards.allCommitted()
  worker.process.kill('SIGTERM')
  expect(await worker.ended).toMatchObject({ code: 0, signal: null })
  const answered = await cards.answered()
  expect(unanswered(cards.ends, answered)).toEqual([])
  expect([...answered.values()].every((times) => times === 1)).toBe(true)
}

freshKafkaTests((kafkaTest) => {
  kafkaTest('tokens that run out are renewed under load, and nothing stops', async (kafka) => {
    const endpoint = await endpointFor(kafka)
    const reach = withTokens(kafka, endpoint, CLIENT.clientSecret)
    const { cards, worker, steady } = await working(kafka, reach)
    await endpoint.more(LIVES)
    await steady.stop()
    await expectOnce(cards, worker)
    expect(worker.stderr()).not.toMatch(/unavailable|failed/)
  })

  kafkaTest(
    'without a token endpoint a worker goes on until its token has run out, and comes back by itself',
    async (kafka) => {
      const endpoint = await endpointFor(kafka)
      const reach = withTokens(kafka, endpoint, CLIENT.clientSecret)
      const { cards, worker, steady } = await working(kafka, reach)
      const { respond } = endpoint
      endpoint.respond = null
      await worker.says('the token endpoint cannot be asked: socket hang up; the present token is')
      await worker.says('worker is unavailable')
      const told = worker.stderr()
      expect(told.indexOf('the present token is')).toBeLessThan(
        told.indexOf('worker is unavailable'),
      )
      expect(told).toMatch(/"reason":"[^"]*the token endpoint cannot be asked: socket hang up"/)
      endpoint.respond = respond
      await worker.says('worker is running', 2)
      await steady.more(PER_SECOND)
      await steady.stop()
      await expectOnce(cards, worker)
    },
  )

  kafkaTest(
    'sessions that brokers end are renewed under load, and nothing stops',
    async (kafka) => {
      const { username = '', password = '' } = kafka.service.secure ?? {}
      const login = ['--sasl-mechanism', 'scram-sha-512', '--sasl-username', username]
      const folder = folderWith({ password })
      const file = ['--sasl-password-file', join(folder, 'password')]
      const { cards, worker, steady } = await working(kafka, [...overTls(kafka), ...login, ...file])
      await steady.more((LIVES * SESSION_MS * PER_SECOND) / 1_000)
      await steady.stop()
      await expectOnce(cards, worker)
      expect(worker.stderr()).not.toMatch(/unavailable|failed/)
    },
  )

  kafkaTest(
    'a client that the endpoint does not know, and a token for others, are refused',
    async (kafka) => {
      const endpoint = await endpointFor(kafka)
      const consume = ['consume', '--topic', 'any']
      const unknown = await tidemark([...consume, ...withTokens(kafka, endpoint, 'hunter2')])
      expect(unknown.code).toBe(4)
      expect(unknown.stderr).toMatch(
        /✗ AUTHENTICATION +the token endpoint refuses the client "scorer": 401: invalid_client/,
      )
      expect(unknown.stderr).not.toContain('hunter2')

      const folder = folderWith({ token: issuer.token('scorer', LIFE_S, 'others') })
      const file = ['--sasl-mechanism', 'oauthbearer', '--sasl-token-file', join(folder, 'token')]
      const forOthers = await tidemark([...consume, ...overTls(kafka), ...file])
      expect(forOthers.code).toBe(4)
      expect(forOthers.stderr).toMatch(/✗ AUTHENTICATION +the broker refuses the access token: /)
    },
  )
}, issuer.kafka)
