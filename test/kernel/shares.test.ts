import { Partitioners } from 'kafkajs'
import { expect, test } from 'vitest'
import { isShare, SHARES, Share } from '../../src/kernel/shares.ts'

const KEYS = Array.from({ length: 20_000 }, (_, n) => `card-${n}`)
/** How far a share may be off, of all keys. */
const TOLERANCE = 0.01

const shareOf = (share: Share) => KEYS.filter((key) => share.has(key)).length / KEYS.length

test.each([0.0001, 0.01, 0.1, 0.5])(
  'of 20,000 keys a share of %f has as many, to within a point',
  (share) => {
    expect(Math.abs(shareOf(new Share('canary', share)) - share)).toBeLessThan(TOLERANCE)
  },
)

test('a share of 0 has no key, one of 1 has all', () => {
  expect(shareOf(new Share('canary', 0))).toBe(0)
  expect(shareOf(new Share('canary', 1))).toBe(1)
})

test('no key leaves when a share grows from 1 to 5 to 20 %', () => {
  const [few, more, many] = [0.01, 0.05, 0.2].map((share) => new Share('canary', share))
  const left = KEYS.filter(
    (key) => (few?.has(key) && !more?.has(key)) || (more?.has(key) && !many?.has(key)),
  )
  expect(left).toEqual([])
})

test('shares of two names have each other’s keys as often as any', () => {
  const [one, other] = [new Share('canary', 0.1), new Share('premium', 0.2)]
  const both = KEYS.filter((key) => one.has(key) && other.has(key)).length / KEYS.length
  expect(Math.abs(both - 0.02)).toBeLessThan(TOLERANCE)
})

test('a share has the keys that Kafka’s clients would put in the first of 10,000 partitions', () => {
  const partitionMetadata = Array.from({ length: SHARES }, (_, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 0,
    replicas: [],
    isr: [],
  }))
  const choose = Partitioners.DefaultPartitioner()
  const partitionOf = (key: string) =>
    choose({ topic: '', partitionMetadata, message: { key, value: null } })
  const share = new Share('canary', 0.1234)
  for (const key of ['', 'c-édge-ü-✈', '😀', 'canary/', ...KEYS.slice(0, 300)]) {
    expect({ key, isIn: share.has(key) }).toEqual({
      key,
      isIn: partitionOf(`canary/${key}`) < 1_234,
    })
  }
})

test('a share is in steps of 1 in 10,000', () => {
  for (const share of [0, 0.0001, 0.29, 0.07, 0.5, 0.9999, 1]) expect(isShare(share)).toBe(true)
  for (const share of [-0.0001, 0.00001, 0.12345, 1.0001, Number.NaN, Infinity]) {
    expect(isShare(share)).toBe(false)
  }
})
