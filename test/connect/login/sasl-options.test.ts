import { expect, test } from 'vitest'
import { type KafkaSasl, saslFaults } from '../../../src/connect/kafka/client/options.ts'

const token = { url: 'https://login.example', clientId: 'c', clientSecret: 'hunter2' }
const bearer = { mechanism: 'oauthbearer', token } as const

test.each<[string, KafkaSasl]>([
  ['a password', { mechanism: 'plain', username: 'u', password: 'hunter2' }],
  ['a token', bearer],
  ['a signature', { mechanism: 'aws-msk-iam', region: 'eu-west-1' }],
])('%s is not sent without TLS', (what, sasl) => {
  const [fault] = saslFaults(sasl, false)
  expect(fault?.message).toMatch(new RegExp(`${what.slice(2)} in plain text$`))
  expect(fault?.hint).toContain('turn TLS on')
  expect(
    saslFaults(sasl, true)
      .map(({ message }) => message)
      .join(),
  ).not.toContain('plain text')
})

test('a token may come from an endpoint, a file or a function', () => {
  const tokens = [token, { file: '/run/token' }, async () => ({ value: 't', expiresAtMs: 1 })]
  for (const each of tokens) expect(saslFaults({ ...bearer, token: each }, true)).toEqual([])
})

test('every fault of a login is told, and no secret', () => {
  const extensions = { 'logical-cluster': 'a', auth: 'b', pool: 'ü', good: 'x' }
  const login = { ...bearer, token: { ...token, url: 'http://login.example' }, extensions }
  const faults = saslFaults(login, false).map(({ message }) => message)
  expect(faults).toEqual([
    'SASL OAUTHBEARER without TLS would send the access token in plain text',
    'the URL of the token endpoint would send the client secret in plain text: use https',
    'SASL extension "logical-cluster" is not letters with a value in ASCII',
    'SASL extension "auth" is not letters with a value in ASCII',
    'SASL extension "pool" is not letters with a value in ASCII',
  ])
})

test('a login that is none is refused with what it may be', () => {
  const other = { mechanism: 'gssapi', username: 'u', password: 'hunter2' } as unknown as KafkaSasl
  expect(saslFaults(other, true)).toMatchObject([
    {
      message:
        '"gssapi" is not plain or scram-sha-256 or scram-sha-512 or oauthbearer or aws-msk-iam',
      hint: undefined,
    },
  ])
  const [fault] = saslFaults({ mechanism: 'oauthbearer' } as KafkaSasl, true)
  expect(fault).toMatchObject({
    message: 'SASL OAUTHBEARER needs a token',
    hint: 'give { url, clientId, clientSecret }, { file }, or a function',
  })
})
