import type { StandardSchemaV1 } from '@standard-schema/spec'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { checkedBy } from '../../src/topology/schema.ts'

function faultOf(schema: StandardSchemaV1, value: unknown): TidemarkError {
  try {
    checkedBy(schema, value)
  } catch (thrown) {
    if (thrown instanceof TidemarkError) return thrown
    throw thrown
  }
  throw new Error('nothing was thrown')
}

/** A schema that refuses everything with these issues. */
function refusing(...issues: StandardSchemaV1.Issue[]): StandardSchemaV1 {
  return { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues }) } }
}

test('a value is given as the schema transforms it', () => {
  const schema = z.object({ at: z.string().transform(Number) })
  expect(checkedBy(schema, { at: '7', more: 1 })).toEqual({ at: 7 })
})

describe('a refused value is told', () => {
  test('by path and by what zod says', () => {
    const schema = z.object({ amount: z.number(), items: z.array(z.object({ id: z.int() })) })
    const fault = faultOf(schema, { amount: 'much', items: [{ id: 1 }, { id: 1.5 }] })
    expect(fault.code).toBe('SCHEMA_INVALID')
    expect(fault.message).toBe(
      'amount: Invalid input: expected number, received string; ' +
        'items[1].id: Invalid input: expected int, received number',
    )
  })

  test('by its first three issues and the number of the others', () => {
    const issues = ['a', 'b', 'c', 'd', 'e'].map((path) => ({ message: 'wrong', path: [path] }))
    expect(faultOf(refusing(...issues), {}).message).toBe('a: wrong; b: wrong; c: wrong; 2 more')
  })

  test('in at most 300 characters', () => {
    expect(faultOf(refusing({ message: 'x'.repeat(1_000) }), {}).message).toHaveLength(300)
  })
})

describe('what a value holds is not repeated', () => {
  test.each([
    ['a text', 'must be a number (was "much")', { amount: 'much' }],
    ['a text with quotes in it', 'was "a \\"b\\""', { amount: 'a "b"' }],
    ['a number', 'expected text but received -12.5', { amount: -12.5 }],
    ['another field', 'amount is not allowed for card c-4417', { amount: 1, card: 'c-4417' }],
    ['a text deep inside', 'bad: x@example.com', { a: [{ b: ['x@example.com'] }] }],
    ['a name that is no field', 'unknown: x@example.com', { 'x@example.com': 1 }],
    ['one of very many values', 'was 1999', Array.from({ length: 2_000 }, (_, i) => i)],
  ])('%s', (_, message, value) => {
    const fault = faultOf(refusing({ message, path: ['amount'] }), value)
    expect(fault.message).toBe('amount: does not match the schema')
  })

  test('but a word that merely contains it may stand', () => {
    const fault = faultOf(refusing({ message: 'expected number' }), { country: 'numb', flag: 'e' })
    expect(fault.message).toBe('expected number')
  })

  test('nor are names in a path that no author would give', () => {
    const cards = z.object({ cards: z.record(z.string(), z.object({ n: z.int() })) })
    const fault = faultOf(cards, { cards: { '4417-1234': { n: 'x' }, c4417: { n: 'x' } } })
    const each = 'cards.….n: Invalid input: expected number, received string'
    expect(fault.message).toBe(`${each}; ${each}`)
  })
})

describe('a schema that does not answer makes a dead letter', () => {
  test('when it throws', () => {
    const schema: StandardSchemaV1 = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => {
          throw new RangeError('card 4417')
        },
      },
    }
    const fault = faultOf(schema, {})
    expect([fault.code, fault.message]).toEqual(['FUNCTION_THREW', 'the schema threw RangeError'])
  })

  test.each([
    [
      'a refinement of zod throws',
      () =>
        z.string().refine(() => {
          throw new Error('card 4417')
        }),
    ],
    ['it is asynchronous', () => z.string().refine(() => Promise.resolve(true))],
  ])('when %s', async (_, schema) => {
    const unhandled: unknown[] = []
    const note = (thrown: unknown) => unhandled.push(thrown)
    process.on('unhandledRejection', note)
    const fault = faultOf(schema(), 'text')
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    expect([fault.code, fault.action, unhandled]).toEqual(['FUNCTION_THREW', 'dead-letter', []])
  })
})
