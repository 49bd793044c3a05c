import { describe, expect, test } from 'vitest'
import { checkAccess, tokenDigest } from '../../src/serve/access.ts'
import type { RequestFault } from '../../src/serve/request-fault.ts'

/** The place of the fault of a request, with its status; 200: it may ask. */
function judged(headers: Readonly<Record<string, string>>, token: string | null = null) {
  try {
    checkAccess({ host: 'localhost', ...headers }, token === null ? null : tokenDigest(token))
    return 200
  } catch (error) {
    const { status, where } = error as RequestFault
    return `${status} ${where}`
  }
}

describe('without a token, a server is asked under an address or as localhost', () => {
  test.each(['127.0.0.1', '127.0.0.1:8080', '10.0.0.7:80', '[::1]', '[::1]:80', 'LocalHost:8080'])(
    '%s',
    (host) => {
      expect(judged({ host })).toBe(200)
    },
  )

  test.each([
    ...['', 'x', 'evil.example', 'evil.example:8080', 'localhost.evil.example', '127.0.0.1.nip.io'],
    ...['localhost, localhost', 'localhost:', 'a@127.0.0.1', '::1', '[::1', '[]', '999.0.0.1'],
  ])('not as "%s"', (host) => {
    expect(judged({ host })).toBe('403 host')
  })
})

test('with a token, a server is asked under any name', () => {
  expect(judged({ host: 'scores.example', authorization: 'Bearer T' }, 'T')).toBe(200)
})

test.each<[origin: string, status: number | string]>([
  ['http://localhost', 200],
  ['https://localhost', 200],
  ['http://localhost:8080', '403 origin'],
  ['http://evil.example', '403 origin'],
  ['null', '403 origin'],
  ['', '403 origin'],
  ['localhost', '403 origin'],
  ['http://localhost, http://localhost', '403 origin'],
])('a page of "%s" may ask localhost: %s', (origin, status) => {
  expect(judged({ origin })).toBe(status)
  expect(judged({ origin, authorization: 'Bearer T' }, 'T')).toBe(status)
})

test.each<[authorization: string, status: number | string]>([
  ['Bearer T', 200],
  ['bEARER  T', 200],
  ['Bearer T anything', '401 authorization'],
  ['Bearer T, Bearer T', '401 authorization'],
  ['Bearer', '401 authorization'],
  ['Bearer ', '401 authorization'],
  ['BearerT', '401 authorization'],
  ['Basic T', '401 authorization'],
  ['T', '401 authorization'],
  ['', '401 authorization'],
])('"%s" has the token T: %s', (authorization, status) => {
  expect(judged({ authorization }, 'T')).toBe(status)
})

test('a token is compared by its bytes, which are UTF-8', () => {
  const authorization = `Bearer ${Buffer.from('clé d’accès').toString('latin1')}`
  expect(judged({ authorization }, 'clé d’accès')).toBe(200)
})
