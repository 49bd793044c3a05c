import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Known,
  type KnownObject,
  knownScored,
} from '../../../src/formats/json/known-values.ts'
import { compileEncoder, type OutputEncoder } from '../../../src/formats/json/output-encoder.ts'
import { ByteRoom } from '../../../src/kernel/byte-room.ts'
import type { Expression } from '../../../src/topology/function-reading.ts'
import { type Chunk, chunk, names } from './scored-chunks.ts'

const RUNS = { seed: 13, numRuns: 600 }

type Path = readonly string[]

/** Every value that can be picked, whole objects too. */
function pathsOf(known: Known, path: Path = []): Path[] {
  if (known.is !== 'object') return [path]
  const below = Object.entries(known.fields).flatMap(([name, field]) =>
    pathsOf(field, [...path, name]),
  )
  return known.isWhole && path.length > 0 ? [path, ...below] : below
}

const literal = fc.oneof(
  fc.string(),
  fc.constantFrom('\ud800', '\ufffd', '"', 'DE', '\u2028', null, true, false, 0, -0, 1e21, 12.5),
  fc.double(),
)

/** Values that are there, so that what is equal to one is asked too. */
function valuesIn({ scored, known }: Chunk): fc.Arbitrary<string | number | boolean | null> {
  const values = pathsOf(known).flatMap((path) => scored.map((one) => at(one, path)))
  const plain = values.filter((value) => value !== undefined && typeof value !== 'object')
  return plain.length === 0 ? literal : fc.oneof(literal, fc.constantFrom(...(plain as string[])))
}

function expressionsOver(given: Chunk): fc.Arbitrary<Expression> {
  const path = fc.constantFrom(...pathsOf(given.known))
  const leaf: fc.Arbitrary<Expression> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ is: fc.constant('pick' as const), path }) },
    fc.record({ is: fc.constant('literal' as const), value: literal }),
    fc.record({
      is: fc.constant('equals' as const),
      path,
      to: valuesIn(given),
      negated: fc.boolean(),
    }),
  )
  const object = (inner: fc.Arbitrary<Expression>): fc.Arbitrary<Expression> =>
    names(0, 5).chain((all) =>
      fc.tuple(...all.map((name) => fc.tuple(fc.constant(name), inner))).map((fields) => {
        return { is: 'object' as const, fields }
      }),
    )
  return object(fc.oneof({ weight: 4, arbitrary: leaf }, object(fc.oneof(leaf, object(leaf)))))
}

function at(value: unknown, path: Path): unknown {
  return path.reduce((one, name) => (one as Record<string, unknown>)[name], value)
}

/** What the author's function gives. */
function evaluated(expression: Expression, scored: unknown): unknown {
  switch (expression.is) {
    case 'pick':
      return at(scored, expression.path)
    case 'literal':
      return expression.value
    case 'equals':
      return (at(scored, expression.path) === expression.to) !== expression.negated
    case 'object':
      return Object.fromEntries(
        expression.fields.map(([name, field]) => [name, evaluated(field, scored)]),
      )
  }
}

function encoderOf(expression: Expression, known: KnownObject): OutputEncoder {
  const { encoder, reason } = compileEncoder(expression, known)
  if (encoder === null) throw new Error(reason)
  return encoder
}

const chunkAndExpression = chunk.chain((given) =>
  fc.tuple(fc.constant(given), expressionsOver(given)),
)

describe('an encoder', () => {
  it('writes what JSON.stringify makes of the function’s answer', () => {
    const room = new ByteRoom()
    fc.assert(
      fc.property(chunkAndExpression, ([{ known, rows, scored }, expression]) => {
        const encoder = encoderOf(expression, known)
        for (const [i, one] of scored.entries()) {
          const from = room.used
          encoder.append(i, rows, room)
          const wanted = Buffer.from(JSON.stringify(evaluated(expression, one)))
          expect(room.bytes.subarray(from, room.used).equals(wanted)).toBe(true)
        }
        if (room.used > 100_000) room.clear()
      }),
      RUNS,
    )
  })
})

describe('there is no encoder', () => {
  const number = { is: 'field', column: 0, type: 'number' } as const
  const event: KnownObject = {
    is: 'object',
    fields: { paidAt: { ...number, optional: false }, tip: { ...number, optional: true } },
    isWhole: false,
  }
  const outputs = { probability: { tensor: 'p', column: 0 } }
  const known = knownScored(event, { features: ['amount'], outputs }, 'card-gbdt@1')
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
      'an object has two fields of one name',
    ],
    [
      'a prototype',
      { is: 'object', fields: [['__proto__', paidAt]] },
      '__proto__ is no field like others',
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
