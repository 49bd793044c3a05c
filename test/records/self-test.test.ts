import { expect, test } from 'vitest'
import { checkAbilities, selfTest } from '../../src/records/kafka/self-test.ts'
import { API } from '../../src/records/kafka/wire/request.ts'
import { thrownBy } from '../support/thrown.ts'

const all = (newest: number): Map<number, readonly [number, number]> =>
  new Map(Object.values(API).map((api) => [api, [0, newest]]))

test('what this driver stands on is as it must be', () => {
  expect(() => selfTest()).not.toThrow()
})

test('a broker that takes all calls is spoken to', () => {
  expect(() => checkAbilities({ versions: all(12), features: new Map() })).not.toThrow()
})

test('a broker that lacks some is refused, and which ones is said', async () => {
  const versions = all(12).set(API.OffsetFetch, [0, 6]).set(API.Fetch, [12, 17])
  const looking = async () => checkAbilities({ versions, features: new Map() })
  expect(await thrownBy(looking())).toMatchObject({
    code: 'BROKER_TOO_OLD',
    message: 'the broker does not take Fetch 11, OffsetFetch 7',
  })
})
