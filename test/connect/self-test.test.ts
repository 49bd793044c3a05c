import { expect, test } from 'vitest'
import { checkApiVersions, checkLibrary } from '../../src/connect/kafka/client/self-test.ts'
import { API } from '../../src/connect/kafka/wire/protocol.ts'
import { thrownBy } from '../support/thrown.ts'

const all = (newest: number): Map<number, readonly [number, number]> =>
  new Map(Object.values(API).map(({ key }) => [key, [0, newest]]))

test('what this driver stands on is as it must be', () => {
  expect(() => checkLibrary()).not.toThrow()
})

test('another version of the library is refused', async () => {
  const looking = async () => checkLibrary('2.3.0')
  expect(await thrownBy(looking())).toMatchObject({
    code: 'CLIENT_BROKEN',
    message: 'kafkajs has version 2.3.0, but this driver uses private parts of version 2.2.4',
  })
})

test('a broker that takes all calls is spoken to', () => {
  expect(() => checkApiVersions({ versions: all(12), features: new Map() })).not.toThrow()
})

test.each([
  ['Produce', 0, 6],
  ['Fetch', 1, 9],
])('a broker whose %s is older than zstd, KIP-110, is refused', async (_, api, newest) => {
  const versions = all(12).set(api, [0, newest])
  const looking = async () => checkApiVersions({ versions, features: new Map() })
  expect((await thrownBy(looking())).code).toBe('BROKER_TOO_OLD')
})

test('a broker that lacks some is refused, and which ones is said', async () => {
  const versions = all(12).set(API.OffsetFetch.key, [0, 6]).set(API.Fetch.key, [12, 17])
  const looking = async () => checkApiVersions({ versions, features: new Map() })
  expect(await thrownBy(looking())).toMatchObject({
    code: 'BROKER_TOO_OLD',
    message: 'the broker does not support Fetch 11, OffsetFetch 7',
  })
})
