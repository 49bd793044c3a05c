import { matchers, type TopologyDriver } from 'tidemark/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import 'tidemark/testing/vitest'
import { startDriver } from '../support/driver.ts'
import { copies, reading } from './support.ts'

// Two copies, one left out, one set aside.

type Copies = typeof copies extends { out?: infer Out } ? NonNullable<Out> : never
let driver: TopologyDriver<Copies>

beforeEach(async () => {
  driver = await startDriver(copies)
  await driver.pipe([reading(0), reading(1, { celsius: 30 }), reading(2, { celsius: -1 })])
  await driver.pipeRecords({ key: 'k', value: '{' })
})

/** The message of a matcher that fails. */
function messageOf(check: () => void): string {
  try {
    check()
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('it passed')
}

describe('toHaveOutput', () => {
  test('passes for some fields of some value, by equality or another matcher', () => {
    expect(driver).toHaveOutput('copies')
    expect(driver).toHaveOutput('copies', { celsius: 30 })
    expect(driver).toHaveOutput('copies', { sensor: 's-1', celsius: expect.closeTo(20.001, 2) })
    expect(driver).not.toHaveOutput('copies', { celsius: -1 })
  })

  test('fails when no one value has all the fields, and lists what is there', () => {
    expect(
      messageOf(() => expect(driver).toHaveOutput('copies', { sensor: 's-2', celsius: 30 })),
    ).toBe(`expected an output in "copies" with {"sensor":"s-2","celsius":30}
outputs in "copies":
  {"sensor":"s-1","at":1767268800000,"celsius":20}
  {"sensor":"s-1","at":1767268801000,"celsius":30}
outcomes: 2 scored, 1 skipped, 1 dead
dead letters:
  JSON_INVALID of step "decode", record 0@3: the value is not JSON at byte 1 (line 1, column 2): it ends too early`)
  })

  test('not: fails when there is one, and shows it alone', () => {
    expect(messageOf(() => expect(driver).not.toHaveOutput('copies', { celsius: 30 }))).toBe(
      `expected not an output in "copies" with {"celsius":30}
outputs in "copies":
  {"sensor":"s-1","at":1767268801000,"celsius":30}`,
    )
  })

  test('names matchers within what is expected', () => {
    const check = () => expect(driver).toHaveOutput('copies', { celsius: expect.any(String) })
    expect(check).toThrow('expected an output in "copies" with {"celsius":"Any<String>"}')
  })

  test('of many outputs ten are shown', async () => {
    await driver.pipe(Array.from({ length: 10 }, (_, i) => reading(10 + i)))
    const message = messageOf(() => expect(driver).toHaveOutput('copies', { celsius: 99 }))
    expect(message.match(/"sensor"/g)).toHaveLength(10)
    expect(message).toContain('\n  and 2 more\n')
  })

  test('of a topic that the topology does not write is an error, with not too', () => {
    // @ts-expect-error a topic of another topology
    expect(messageOf(() => expect(driver).toHaveOutput('minutes'))).toContain('"minutes"')
    // @ts-expect-error a topic of another topology
    expect(messageOf(() => expect(driver).not.toHaveOutput('minutes'))).toContain('"minutes"')
  })
})

describe('toHaveDeadLetter', () => {
  test('passes for the code, and for fields of the dead letter', () => {
    expect(driver).toHaveDeadLetter('JSON_INVALID')
    expect(driver).toHaveDeadLetter('JSON_INVALID', { key: 'k', source: { offset: 3 } })
    expect(driver).not.toHaveDeadLetter('LATE')
    expect(driver).not.toHaveDeadLetter('JSON_INVALID', { key: 's-1' })
  })

  test('fails for another code or another field, and lists what is there', () => {
    expect(messageOf(() => expect(driver).toHaveDeadLetter('LATE'))).toBe(
      `expected a dead letter LATE
outcomes: 2 scored, 1 skipped, 1 dead
dead letters:
  JSON_INVALID of step "decode", record 0@3: the value is not JSON at byte 1 (line 1, column 2): it ends too early`,
    )
    expect(() => expect(driver).toHaveDeadLetter('JSON_INVALID', { step: 'copies' })).toThrow(
      'expected a dead letter JSON_INVALID with {"step":"copies"}',
    )
  })

  test('not: fails when there is one', () => {
    expect(() => expect(driver).not.toHaveDeadLetter('JSON_INVALID')).toThrow(
      'expected not a dead letter JSON_INVALID',
    )
  })
})

describe('toHaveOutcomes', () => {
  test('passes for exactly the counts; those that are not named are 0', () => {
    expect(driver).toHaveOutcomes({ scored: 2, skipped: 1, dead: 1 })
    expect(driver).toHaveOutcomes({ scored: 2, skipped: 1, dead: 1, late: 0 })
    expect(driver).not.toHaveOutcomes({ scored: 2, skipped: 1 })
    expect(driver).not.toHaveOutcomes({})
  })

  test('fails for another count, and says what was set aside', () => {
    expect(messageOf(() => expect(driver).toHaveOutcomes({ scored: 4 }))).toBe(
      `expected outcomes 4 scored
outcomes: 2 scored, 1 skipped, 1 dead
dead letters:
  JSON_INVALID of step "decode", record 0@3: the value is not JSON at byte 1 (line 1, column 2): it ends too early`,
    )
  })

  test('not: fails when they are these', () => {
    const check = () => expect(driver).not.toHaveOutcomes({ scored: 2, skipped: 1, dead: 1 })
    expect(check).toThrow('expected not outcomes 2 scored, 1 skipped, 1 dead')
  })
})

test.each(Object.keys(matchers))('%s of what is no driver is an error, with not too', (name) => {
  const ask = (of: object) => () => (of as Record<string, () => void>)[name]?.()
  const message = `${name} needs a TopologyDriver: expect(driver).${name}(…)`
  expect(ask(expect({}))).toThrow(message)
  expect(ask(expect({}).not)).toThrow(message)
})
