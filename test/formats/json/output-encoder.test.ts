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
  const paidAt: Expression = { is: 'pick', path: ['event', 'paidAt'] }

  it.each<[string, Expression, string]>([
    ['an event as a whole', pick('event'), 'not all fields of event are known'],
    ['all that a function is given', pick(), 'not all fields of event are known'],
    ['a field that is not known', pick('event', 'colour'), 'event.colour is not known'],
    ['a field of what is no object', pick('model', 'length'), 'model.length is not known'],
    ['what every object has', pick('features', 'toString'), 'features.toString is not known'],
    ['an output that may be undefined', pick('event', 'tip'), 'the output itself may be undefined'],
    [
      'a test of what is not known',
      { is: 'equals', path: ['event', 'colour'], to: 'red', negated: false },
      'event.colour is not known',
    ],
    [
      'two fields of one name',
      {
        is: 'object',
        fields: [
          ['at', paidAt],
          ['at', paidAt],
        ],
      },
      'an object has two fields with the same name',
    ],
    [
      'a prototype',
      { is: 'object', fields: [['__proto__', paidAt]] },
      '__proto__ is not an ordinary field',
    ],
    [
      'one field of many',
      {
        is: 'object',
        fields: [
          ['at', paidAt],
          ['all', { is: 'object', fields: [['event', pick('event')]] }],
        ],
      },
      'not all fields of event are known',
    ],
  ])('for %s', (_, expression, reason) => {
    expect(compileEncoder(expression, known)).toEqual({ encoder: null, reason })
  })
})

function pick(...path: string[]): Expression {
  return { is: 'pick', path }
}
