import { describe, expect, test } from 'vitest'
import { eventKey, eventTimeMs } from '../../src/formats/identity.ts'
import { thrownIn } from '../support/thrown.ts'

describe('a key', () => {
  test('is the text that the author names', () => {
    expect(eventKey((e) => `${e.card}-é✈😀`, { card: 'c' })).toBe('c-é✈😀')
  })

  test.each([[undefined], [null], [4417], [''], ['c-\ud800'], [['c']], [{ c: 1 }]])(
    'is not %j',
    (key) => {
      expect(thrownIn(() => eventKey(() => key as string, {})).code).toBe('KEY_INVALID')
    },
  )

  test('is wanting when the function throws, whose words are in the cause alone', () => {
    const thrown = new RangeError('no such card: 4417')
    const fault = thrownIn(() =>
      eventKey(() => {
        throw thrown
      }, {}),
    )
    expect([fault.code, fault.message]).toEqual(['FUNCTION_THREW', 'key threw RangeError'])
    expect(fault.cause).toBe(thrown)
  })
})

describe('an event time', () => {
  test.each([[Date.UTC(1980, 0, 1)], [1_731_700_000_123], [Date.UTC(2100, 0, 1) - 1]])(
    'may be %d',
    (time) => {
      expect(eventTimeMs(() => time, {})).toBe(time)
    },
  )

  test.each([[undefined], [null], ['1731700000123'], [Number.NaN], [Infinity], [1.5e12 + 0.5]])(
    'is an integer, not %s',
    (time) => {
      const { code, message } = thrownIn(() => eventTimeMs(() => time as number, {}))
      expect([code, message]).toEqual(['TIME_INVALID', expect.not.stringMatching(/\d/)])
    },
  )

  test.each([
    [1_731_700_000, 'looks like seconds'],
    [1_731_700_000_123_000, 'looks like microseconds'],
    [1_731_700_000_123_000_000, 'looks like nanoseconds'],
    [0, 'is not between 1980 and 2100 in any unit'],
    [Date.UTC(1980, 0, 1) - 1, 'is not between 1980 and 2100 in any unit'],
    [-1, 'is not between 1980 and 2100 in any unit'],
    [Date.UTC(2100, 0, 1), 'is not between 1980 and 2100 in any unit'],
  ])('in milliseconds is not %d: it %s', (time, what) => {
    const fault = thrownIn(() => eventTimeMs(() => time, {}))
    expect([fault.code, fault.message]).toEqual(['TIME_UNIT', `the event time ${what}`])
  })

  test('is wanting when the function throws', () => {
    const fault = thrownIn(() => eventTimeMs((e) => (e as { a: { at: number } }).a.at, {}))
    expect(fault.message).toBe('eventTimeMs threw TypeError')
  })
})
