import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { columnKind, Shape } from '../../../src/formats/json/shape.ts'
import { Memory, Place } from '../../../src/kernel/bytes.ts'
import { runs } from '../../support/runs.ts'
import { numberToken } from './tokens.ts'

function placeOf(text: string): Place {
  const bytes = Buffer.from(text)
  const place = new Place()
  // Scanners read some bytes past the end.
  place.memory = new Memory(new ArrayBuffer(bytes.length + 8))
  place.to = bytes.copy(place.memory.buffer)
  return place
}

/** The same, from the values of each object. */
function naive(texts: readonly string[]) {
  const kinds = new Map<string, Set<string>>()
  for (const text of texts) {
    for (const [name, value] of Object.entries(JSON.parse(text) as object)) {
      const own = kinds.get(name) ?? new Set()
      kinds.set(name, own.add(kindOf(value)))
    }
  }
  const field = ([name, all]: [string, Set<string>]) => {
    const some = [...all].filter((kind) => kind !== 'null')
    const areNumbers = some.every((kind) => kind === 'integer' || kind === 'number')
    const mixed = areNumbers ? 'number' : 'json'
    return [name, some.length > 1 ? mixed : (some[0] ?? 'text')]
  }
  return Object.fromEntries([...kinds].map(field))
}

function columnsOf({ fields }: Shape) {
  return Object.fromEntries(Object.entries(fields).map(([name, of]) => [name, columnKind(of)]))
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'object') return 'json'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  return typeof value === 'string' ? 'text' : 'boolean'
}

const token = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('1', '2', '-7', '1.5', '"a"', '"b"', 'true', 'false') },
  { weight: 2, arbitrary: numberToken },
  fc.constantFrom('null', '[]', '{"a":1}', '"\\n"', '"é"', '1.0', '1e3', '9007199254740993'),
)
const object = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'é', 'q"'), token), { maxLength: 4 })
  .map((fields) => `{${fields.map(([name, of]) => `${JSON.stringify(name)}:${of}`).join(',')}}`)
// Most outputs have the layout of one before them.
const texts = fc
  .tuple(fc.array(object, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(3), { maxLength: 12 }))
  .map(([some, again]) => [...some, ...again.map((i) => some[i % some.length] as string)])

test('the kind of each field is that of all values that it had', () => {
  fc.assert(
    fc.property(texts, (all) => {
      const shape = new Shape()
      for (const text of all) shape.add(placeOf(text))
      expect(columnsOf(shape)).toEqual(naive(all))
    }),
    { numRuns: runs(4_000) },
  )
})

test('shapes that continue or merge others are those of all objects', () => {
  fc.assert(
    fc.property(texts, texts, texts, (a, b, c) => {
      const first = new Shape()
      for (const text of a) first.add(placeOf(text))
      const continued = new Shape(first.fields)
      for (const text of b) continued.add(placeOf(text))
      const other = new Shape()
      for (const text of c) other.add(placeOf(text))
      continued.merge(other.fields)
      expect(columnsOf(continued)).toEqual(naive([...a, ...b, ...c]))
    }),
    { numRuns: runs(1_000) },
  )
})
