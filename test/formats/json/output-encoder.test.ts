import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type KnownObject, knownScored } from '../../../src/formats/json/known-values.ts'
import { compileEncoder } from '../../../src/formats/json/output-encoder.ts'
import { ByteRoom } from '../../../src/kernel/bytes.ts'
import type { Expression } from '../../../src/topology/function-reading.ts'
import { runs } from '../../support/runs.ts'
import { withoutGeneration } from '../../support/without-generation.ts'
import { chunkAndExpression, encodedSamples, encoderOf, evaluated } from './expressions.ts'

const RUNS = { numRuns: runs(600) }

describe('an encoder', () => {
  it('writes what JSON.stringify makes of the function’s answer', () => {
    const room = new ByteRoom()
    fc.assert(
      fc.property(chunkAndExpression, ([{ known, rows, scored }, expression]) => {
        const encoder = encoderOf(expression, known)
        for (const [i, one] of scored.entries()) {
          const from = room.used
          encoder(i, rows, room)
          const wanted = Buffer.from(JSON.stringify(evaluated(expression, one)))
          expect(room.bytes.subarray(from, room.used).equals(wanted)).toBe(true)
        }
        if (room.used > 100_000) room.clear()
      }),
      RUNS,
    )
  })
})

it('gives the same outputs without code generation', () => {
  const script = `
    import { encodedSamples } from './test/formats/json/expressions.ts'
    console.log(JSON.stringify(encodedSamples()))`
  expect(withoutGeneration(script)).toEqual(encodedSamples())
})

describe('there is no encoder', () => {
  const number = { is: 'field', column: 0, type: 'number' } as const
  const event: KnownObject = {
    is: 'object',
    fields: { paidAt: { ...number, optional: false }, tip: { ...number, optional: true } },
    isWhole: false,
  }
  const outputs = { probability: {} }
  const known = knownScored(
    event,
    { features: ['amount'], outputs },
    { label: 'card-gbdt@1', route: 'main' },
  )

  it.each<[string, Expression]>([
    ['an event as a whole', pick('event')],
    ['all that a function is given', pick()],
    ['a field that is not known', pick('event', 'colour')],
    ['a field of what is no object', pick('model', 'length')],
    ['what every object has', pick('features', 'toString')],
    ['an output that may be undefined', pick('event', 'tip')],
    ['a time', { is: 'time', path: ['event', 'paidAt'], unit: 'seconds' }],
    [
      'a test of what is not known',
      { is: 'equals', path: ['event', 'colour'], to: 'red', negated: false },
    ],
    [
      'one field of many',
      {
        is: 'object',
        fields: [
          ['at', pick('event', 'paidAt')],
          ['all', { is: 'object', fields: [['event', pick('event')]] }],
        ],
      },
    ],
  ])('for %s', (_, expression) => {
    expect(compileEncoder(expression, known)).toBeNull()
  })
})

function pick(...path: string[]): Expression {
  return { is: 'pick', path }
}
