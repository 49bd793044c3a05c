import { expect, it } from 'vitest'
import { type Answer, Answers, Comparison } from './answers.ts'

function output(offset: number, value: unknown): Answer {
  return { place: { partition: 1, offset }, is: 'output', value }
}

function letter(offset: number, value: unknown): Answer {
  return { place: { partition: 1, offset }, is: 'letter', value }
}

function compared(...others: readonly Answer[]) {
  const answers = new Answers()
  answers.add(output(0, '{"id":"a","of":{"sum":0.1,"mean":null}}'))
  answers.add(output(1, '{"id":"b","of":{"sum":0,"mean":1}}'))
  answers.add(letter(2, '"LATE"'))
  const comparison = new Comparison(answers)
  for (const other of others) comparison.take(other)
  return comparison
}

const SAME = [
  letter(2, 'LATE'),
  output(1, { id: 'b', of: { mean: 1, sum: 0 } }),
  output(0, { id: 'a', of: { sum: 0.1, mean: null } }),
] as const

it('the same answers in any order are the same', () => {
  const same = compared(...SAME)
  expect([same.output.compared, same.output.cells, same.letter.cells]).toEqual([2, 6, 1])
  expect(same.isSame).toBe(true)
})

it.each([
  ['another bit', { id: 'a', of: { sum: 0.1 + 2 ** -56, mean: null } }],
  ['NaN for null', { id: 'a', of: { sum: 0.1, mean: Number.NaN } }],
  ['a cell less', { id: 'a', of: { sum: 0.1 } }],
  ['a cell more', { id: 'a', of: { sum: 0.1, mean: null, max: 1 } }],
])('%s is a difference', (_, value) => {
  const { output: tally, isSame } = compared(SAME[0], SAME[1], output(0, value))
  expect([tally.different, isSame]).toEqual([1, false])
})

it.each([
  ['the sign of 0', [SAME[0], output(1, { id: 'b', of: { mean: 1, sum: -0 } }), SAME[2]]],
  ['another code', [letter(2, 'SCHEMA_INVALID'), SAME[1], SAME[2]]],
  ['an answer that is missing', SAME.slice(1)],
  ['an answer that comes twice', [...SAME, SAME[1]]],
  ['an answer to no record', [...SAME, output(3, {})]],
  ['an output for a dead letter', [...SAME.slice(1), output(2, {})]],
])('%s is not the same', (_, others) => {
  expect(compared(...others).isSame).toBe(false)
})
