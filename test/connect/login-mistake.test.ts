import { expect, test } from 'vitest'
import {
  type LoginMistake,
  loginMistake,
  mistakeShownBy,
} from '../../src/connect/kafka/client/errors.ts'
import { sleeplessClock } from '../support/clocks.ts'

/** Asks two brokers, which answer so one after the other. */
function asked(...answers: readonly (LoginMistake | null)[]) {
  const left = [...answers]
  return loginMistake(['a:1', 'b:1'], async () => left.shift() ?? null, sleeplessClock())
}

test('it is a mistake if all brokers show it three times', async () => {
  const all = Array<LoginMistake | null>(6).fill('missing')
  expect(await asked(...all)).toMatchObject({ code: 'AUTHENTICATION', where: 'a:1,b:1' })
  for (const [at, other] of [
    [1, null],
    [5, null],
    [5, 'unwanted'],
  ] as const) {
    expect(await asked(...all.with(at, other))).toBeNull()
  }
})

test('a connection that ends shows a missing login only behind the API versions', () => {
  const ended = new Error('Closed connection')
  expect(mistakeShownBy(ended, { logsIn: false, isMet: true })).toBe('missing')
  expect(mistakeShownBy(ended, { logsIn: false, isMet: false })).toBeNull()
  expect(mistakeShownBy(ended, { logsIn: true, isMet: true })).toBeNull()
})
