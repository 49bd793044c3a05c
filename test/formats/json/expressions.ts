import * as fc from 'fast-check'
import type { KnownObject, KnownValue } from '../../../src/formats/json/known-values.ts'
import { compileEncoder, type OutputEncoder } from '../../../src/formats/json/output-encoder.ts'
import { ByteRoom } from '../../../src/kernel/bytes.ts'
import type { Expression } from '../../../src/topology/function-reading.ts'
import { timeMs } from '../../../src/topology/times.ts'
import { type Chunk, chunk, names } from './scored-chunks.ts'

// Expressions over scored events that an author's function may have, and their values.

type Path = readonly string[]

/** Every value that can be picked, whole objects too. */
function pathsOf(known: KnownValue, path: Path = []): Path[] {
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

/** The value that the author's function gives. */
export function evaluated(expression: Expression, scored: unknown): unknown {
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
    case 'time':
      return timeMs(at(scored, expression.path), expression.unit)
  }
}

export function encoderOf(expression: Expression, known: KnownObject): OutputEncoder {
  const encoder = compileEncoder(expression, known)
  if (encoder === null) throw new Error('a value is not known')
  return encoder
}

export const chunkAndExpression = chunk.chain((given) =>
  fc.tuple(fc.constant(given), expressionsOver(given)),
)

/** Outputs of some such functions, always the same ones. */
export function encodedSamples(): readonly string[] {
  const room = new ByteRoom()
  const samples = fc.sample(chunkAndExpression, { seed: 3, numRuns: 60 })
  return samples.flatMap(([{ known, rows, scored }, expression]) => {
    const encoder = encoderOf(expression, known)
    return scored.map((_, i) => {
      room.clear()
      encoder(i, rows, room)
      return room.bytes.toString('utf8', 0, room.used)
    })
  })
}
