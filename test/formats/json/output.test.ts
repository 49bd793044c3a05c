import { expect, test } from 'vitest'
import { encodeOutput } from '../../../src/formats/json/output.ts'
import { thrownIn } from '../../support/thrown.ts'

test('an output is written as JSON in UTF-8', () => {
  const json = '{"card":"é✈😀","probability":0.12}'
  expect(encodeOutput(JSON.parse(json))).toEqual(Buffer.from(json))
})

test('a number that is not finite is written as null, a field that is undefined is left out', () => {
  const output = { a: Number.NaN, b: Number.NEGATIVE_INFINITY, c: undefined }
  expect(encodeOutput(output).toString()).toBe('{"a":null,"b":null}')
})

test('half a surrogate pair is written as its escape', () => {
  expect(encodeOutput('\ud800').toString()).toBe('"\\ud800"')
})

const cycle: { self?: unknown } = {}
cycle.self = cycle

test.each([
  ['undefined', undefined],
  ['a function', () => 1],
  ['a symbol', Symbol('s')],
  ['a BigInt', { n: 1n }],
  ['a cycle', cycle],
  ['a promise', Promise.resolve({ n: 1 })],
])('%s has no JSON form', (_, output) => {
  const fault = thrownIn(() => encodeOutput(output))
  expect([fault.code, fault.action]).toEqual(['OUTPUT_INVALID', 'dead-letter'])
})

test('the words of a toJSON that throws are not repeated', () => {
  const output = {
    toJSON: () => {
      throw new Error('card 4417')
    },
  }
  expect(thrownIn(() => encodeOutput(output)).message).toBe(
    'writing the output as JSON threw Error',
  )
})
