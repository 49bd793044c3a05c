import { describe, expect, test } from 'vitest'
import { BearerLogin } from '../../../src/connect/kafka/client/bearer-login.ts'
import { fromKafka } from '../../../src/connect/kafka/client/errors.ts'
import type { AccessToken, Tokens } from '../../../src/connect/kafka/client/tokens.ts'

const REFUSAL = '{"status":"invalid_token"}'

/** Tokens that are handed out in turn when the one before is dropped. */
class HandTokens implements Tokens {
  readonly dropped: string[] = []
  readonly #tokens: AccessToken[]

  constructor(...values: string[]) {
    this.#tokens = values.map((value) => ({ value, expiresAtMs: Number.POSITIVE_INFINITY }))
  }

  async current(): Promise<AccessToken> {
    const [token] = this.#tokens
    if (token === undefined) throw new Error('there is no other token')
    return token
  }

  drop({ value }: AccessToken): void {
    this.dropped.push(value)
    this.#tokens.shift()
  }

  close(): void {}
}

/** A broker that takes some tokens and refuses others as Kafka does. */
class HandBroker {
  readonly heard: string[] = []
  readonly accepted = new Set<string>()

  readonly saslAuthenticate = async ({ request, response }: Sent) => {
    const bytes = await request.encode()
    const message = bytes.subarray(4, 4 + bytes.readInt32BE()).toString()
    this.heard.push(message)
    if (message === '\u0001') {
      throw Object.assign(new Error('invalid signature'), { type: 'SASL_AUTHENTICATION_FAILED' })
    }
    const [, token = ''] = /auth=Bearer (\w+)/.exec(message) ?? []
    const answer = this.accepted.has(token) ? '' : REFUSAL
    const framed = Buffer.concat([Buffer.alloc(4), Buffer.from(answer)])
    return response === undefined ? undefined : response.parse(await response.decode(framed))
  }
}

type Sent = Parameters<Parameters<BearerLogin['authenticationProvider']>[0]['saslAuthenticate']>[0]

async function outcome(login: BearerLogin, broker: HandBroker): Promise<string> {
  try {
    const { saslAuthenticate } = broker as unknown as Parameters<
      BearerLogin['authenticationProvider']
    >[0]
    await login.authenticationProvider({ saslAuthenticate }).authenticate()
    return 'accepted'
  } catch (thrown) {
    const { code, message } = fromKafka(thrown, 'INVARIANT')
    return `${code}: ${message}`
  }
}

describe('a login with a token', () => {
  test('sends it as RFC 7628 says, with the extensions', async () => {
    const broker = new HandBroker()
    broker.accepted.add('t1')
    const login = new BearerLogin(new HandTokens('t1'), { logicalCluster: 'lkc-1', pool: 'p' })
    expect(await outcome(login, broker)).toBe('accepted')
    expect(broker.heard).toEqual([
      'n,,\u0001auth=Bearer t1\u0001logicalCluster=lkc-1\u0001pool=p\u0001\u0001',
    ])
  })

  test('without extensions ends with two separators', async () => {
    const broker = new HandBroker()
    await outcome(new BearerLogin(new HandTokens('t1'), {}), broker)
    expect(broker.heard[0]).toBe('n,,\u0001auth=Bearer t1\u0001\u0001')
  })

  test('that is refused acknowledges that, and tells what the broker says', async () => {
    const broker = new HandBroker()
    const tokens = new HandTokens('t1')
    expect(await outcome(new BearerLogin(tokens, {}), broker)).toBe(
      'AUTHENTICATION: the broker refuses the access token: invalid signature',
    )
    expect(broker.heard).toHaveLength(2)
    expect(tokens.dropped).toEqual([])
  })

  test('with a token that was accepted before is tried again with the next one', async () => {
    const broker = new HandBroker()
    broker.accepted.add('t1')
    const tokens = new HandTokens('t1', 't2', 't3')
    const login = new BearerLogin(tokens, {})
    expect(await outcome(login, broker)).toBe('accepted')
    broker.accepted.clear()
    expect(await outcome(login, broker)).toBe(
      'BROKER_UNAVAILABLE: the broker refuses the access token: invalid signature',
    )
    expect(tokens.dropped).toEqual(['t1'])
    expect(await outcome(login, broker)).toMatch(/^AUTHENTICATION/)
    expect(tokens.dropped).toEqual(['t1'])
  })

  test('leaves what is wrong with a connection as it is', async () => {
    const broken = async () => {
      throw Object.assign(new Error('Closed connection'), { name: 'KafkaJSConnectionClosedError' })
    }
    const broker = Object.assign(new HandBroker(), { saslAuthenticate: broken })
    expect(await outcome(new BearerLogin(new HandTokens('t1'), {}), broker)).toBe(
      'BROKER_UNAVAILABLE: Closed connection',
    )
  })
})
