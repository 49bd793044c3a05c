import { describe, expect, test } from 'vitest'
import {
  type ClientCredentials,
  faultOfTokenUrl,
  tokensOfClient,
} from '../../../src/connect/kafka/client/token-providers.ts'
import { CLIENT, TokenEndpoint } from '../../services/identity-provider.ts'
import { HandClock } from '../../support/clocks.ts'
import { thrownBy } from '../../support/thrown.ts'

const NOW_MS = 1_700_000_000_000
const CLOCK = new HandClock(NOW_MS)
const NEVER = new AbortController().signal
/** A JWT that says when it runs out, and is signed by nobody. */
const JWT = `e30.${Buffer.from(`{"exp":${NOW_MS / 1_000 + 60}}`).toString('base64url')}.`

function answering(body: unknown, status = 200): Promise<TokenEndpoint> {
  return TokenEndpoint.start(() => ({ status, body }))
}

function request({ url }: TokenEndpoint, more: Partial<ClientCredentials> = {}) {
  return tokensOfClient({ url, ...CLIENT, ...more }, CLOCK)(NEVER)
}

describe('a token endpoint', () => {
  test('is asked for a token with the login of the client', async () => {
    const endpoint = await answering({ access_token: 'abc', token_type: 'bearer', expires_in: 300 })
    expect(await request(endpoint)).toEqual({ value: 'abc', expiresAtMs: NOW_MS + 300_000 })
    const [asked] = endpoint.requests
    expect(Object.fromEntries(asked?.form ?? [])).toEqual({ grant_type: 'client_credentials' })
    const basic = asked?.authorization.replace('Basic ', '') ?? ''
    const login = Buffer.from(basic, 'base64').toString()
    expect(login).toBe('scorer:a%20secret%3A%20100%20%25')
  })

  test('is asked for a scope where there is one', async () => {
    const endpoint = await answering({ access_token: 'abc', expires_in: '300' })
    await request(endpoint, { scope: 'kafka read' })
    expect(endpoint.requests[0]?.form.get('scope')).toBe('kafka read')
  })

  test('that does not say how long its token lives is taken at the word of the token', async () => {
    const endpoint = await answering({ access_token: JWT })
    expect(await request(endpoint)).toEqual({ value: JWT, expiresAtMs: NOW_MS + 60_000 })
  })

  test.each<[string, unknown, string]>([
    ['a page', '<html>', 'is not a JSON object'],
    ['a list', [], 'is not a JSON object'],
    ['no token', { expires_in: 1 }, 'has no access_token that is a bearer token (RFC 6750)'],
    [
      'a token with a space',
      { access_token: 'a b' },
      'has no access_token that is a bearer token (RFC 6750)',
    ],
    ['another type', { access_token: 'a', token_type: 'mac' }, 'has the token_type "mac"'],
    ['no life', { access_token: 'a' }, 'does not say when the token runs out (expires_in)'],
    [
      'the life 0',
      { access_token: 'a', expires_in: 0 },
      'has the expires_in 0, which is no number of seconds',
    ],
    [
      'a negative life',
      { access_token: 'a', expires_in: -5 },
      'has the expires_in -5, which is no number of seconds',
    ],
    [
      'a life in words',
      { access_token: 'a', expires_in: 'soon' },
      'has the expires_in "soon", which is no number of seconds',
    ],
    [
      'a life that is null',
      { access_token: 'a', expires_in: null },
      'has the expires_in null, which is no number of seconds',
    ],
  ])('that answers with %s may do better next time', async (_, body, what) => {
    const endpoint = await answering(body)
    const { code, message, where } = await thrownBy(request(endpoint))
    expect([code, message]).toEqual([
      'BROKER_UNAVAILABLE',
      `the answer of the token endpoint ${what}`,
    ])
    expect(where).toBe(endpoint.url)
  })

  test.each([500, 503, 408, 429])(
    'that answers with %s may do better next time',
    async (status) => {
      const { code, message } = await thrownBy(request(await answering('', status)))
      expect([code, message]).toEqual([
        'BROKER_UNAVAILABLE',
        `the token endpoint answers with ${status}`,
      ])
    },
  )

  test.each([
    [
      401,
      { error: 'invalid_client', error_description: 'unknown' },
      '401: invalid_client: unknown',
    ],
    [400, { error: 'invalid_scope' }, '400: invalid_scope'],
    [404, 'not here', '404'],
    [302, '', '302'],
  ])('that answers with %s refuses the client', async (status, body, why) => {
    const refused = await thrownBy(request(await answering(body, status)))
    const { code, message, hint } = refused
    expect([code, message]).toEqual([
      'AUTHENTICATION',
      `the token endpoint refuses the client "scorer": ${why}`,
    ])
    expect(hint).toContain('client id')
    expect(`${message}${hint}`).not.toContain(CLIENT.clientSecret)
  })

  test('that hangs up, or is not there, may be back next time', async () => {
    const endpoint = await answering('')
    endpoint.respond = null
    expect(await thrownBy(request(endpoint))).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: 'the token endpoint cannot be asked: socket hang up',
    })
    await endpoint.stop()
    expect(await thrownBy(request(endpoint))).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  test('that sends without end is given up', async () => {
    const { message } = await thrownBy(request(await answering('x'.repeat(1_100_000))))
    expect(message).toBe('the token endpoint cannot be asked: its answer is larger than 1 MB')
  })

  test('is not waited for any longer when the driver is closed', async () => {
    const closing = new AbortController()
    const endpoint = await TokenEndpoint.start(() => {
      closing.abort()
      return { status: 200, body: {} }
    })
    const asked = tokensOfClient({ url: endpoint.url, ...CLIENT }, CLOCK)(closing.signal)
    expect((await thrownBy(asked)).code).toBe('BROKER_UNAVAILABLE')
  })

  test.each([
    ['https://login.example/token', null],
    ['http://127.0.0.1:8080/token', null],
    ['http://localhost/token', null],
    ['http://[::1]/token', null],
    ['http://login.example/token', 'would send the client secret in plain text: use https'],
    ['http://127.example/token', 'would send the client secret in plain text: use https'],
    ['login.example', 'is not an https URL'],
    ['ftp://login.example', 'is not an https URL'],
    ['https://me:secret@login.example', 'contains credentials'],
  ])('may have the URL %s: %s', (url, fault) => {
    expect(faultOfTokenUrl(url)).toBe(fault)
  })
})
