import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DeadLetter, TopologyDriver } from '../../src/testing/index.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { withFeatures } from '../golden/with-features.ts'
import { badBetweenGood, featuresOfGood, type Sent } from './bad-input.ts'

// Bad records between good ones, through the testing driver.

const sent = badBetweenGood(Date.UTC(2026, 0, 1))
const bad = sent.filter((s) => s.code !== null)
let driver: TopologyDriver<{ predictions: unknown }>
let letters: DeadLetter[]
let places: { offset: number }[]

beforeAll(async () => {
  driver = await TopologyDriver.start(withFeatures(cardFraud))
  places = await driver.pipeRecords(
    sent.map(({ key, value, timestampMs, headers }) => ({
      key: key === null ? null : key.toString(),
      value,
      timestampMs,
      headers: Object.fromEntries(headers.map((h) => [h.name, h.value.toString()])),
    })),
  )
  letters = driver.deadLetters()
})
afterAll(() => driver.stop())

function lettersOf(input: Sent): DeadLetter[] {
  const { offset } = places[sent.indexOf(input)] as { offset: number }
  return letters.filter((l) => l.source.offset === offset)
}

describe('one dead letter, with key, value and headers as they came', () => {
  const kept = bad.filter((input) => input.code !== 'RECORD_TOO_LARGE')

  test.each(kept.map((input) => [input.name, input] as const))('%s', (_, input) => {
    const [letter, ...others] = lettersOf(input) as [DeadLetter]
    expect(others).toEqual([])
    expect(letter.code).toBe(input.code)
    expect(letter.key).toBe(input.key?.toString() ?? null)
    expect(letter.value).toEqual(input.value)
    expect(letter.timestampMs).toBe(input.timestampMs)
    expect(letter.headers['trace']).toBe(input.headers[0]?.value.toString())
  })
})

test('a value over the limit of the dead-letter topic is not written, but its size and sha256 are', () => {
  const input = bad.find((i) => i.code === 'RECORD_TOO_LARGE') as Sent
  const [letter] = lettersOf(input) as [DeadLetter]
  expect([letter.code, letter.value]).toEqual(['RECORD_TOO_LARGE', null])
  expect(letter.headers).toMatchObject({
    trace: input.headers[0]?.value.toString(),
    'tidemark.value.size': '20000000',
    'tidemark.value.sha256': createHash('sha256')
      .update(input.value as Buffer)
      .digest('hex'),
  })
})

test('nothing else is set aside, and every neighbour is scored on the features of the good ones alone', () => {
  const outputs = driver.outputs('predictions') as { value: unknown }[]
  const rows = outputs.map((o) =>
    Float32Array.from(Object.values((o.value as { features: Record<string, number> }).features)),
  )
  expect(rows).toEqual(Array.from({ length: bad.length + 1 }, (_, nth) => featuresOfGood(nth)))
  expect(letters).toHaveLength(bad.length)
  const { scored, skipped, late, dead } = driver.outcomes
  expect([scored, skipped, late, dead]).toEqual([bad.length + 1, 0, 1, bad.length - 1])
})
