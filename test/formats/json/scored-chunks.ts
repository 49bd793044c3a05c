import * as fc from 'fast-check'
import { ABSENT, NULL, PRESENT, ScannedColumns } from '../../../src/columns/columns.ts'
import { ScoreReader } from '../../../src/engine/operators/score/scored-events.ts'
import {
  type KnownObject,
  type KnownValue,
  knownScored,
} from '../../../src/formats/json/known-values.ts'
import type { ScoredRows } from '../../../src/formats/json/segments.ts'
import { Memory } from '../../../src/kernel/bytes.ts'
import type { ModelDefinition } from '../../../src/topology/models.ts'
import { modelStep, stepAnswer } from '../../support/score-steps.ts'
import { numberToken } from './tokens.ts'

/** Scored events as columns, and as the objects that an author's function is given. */
export interface Chunk {
  readonly known: KnownObject
  readonly rows: ScoredRows
  readonly scored: readonly unknown[]
}

type Field = Extract<KnownValue, { is: 'field' }> & {
  readonly name: string
  readonly inner: boolean
}
/** A field as it is written in JSON; `null`: it is left out. */
type Token = string | null

/** Names that must be escaped, that JavaScript orders by itself, or that every object has. */
const ODD_NAMES = [
  '',
  'a"b',
  'back\\slash',
  'line\nend',
  'é',
  '\u2028',
  '\ud800',
  '10',
  '9',
  'toJSON',
]
const name = fc.oneof(
  fc.constantFrom('id', 'at', 'amount', 'country', 'model'),
  fc.constantFrom(...ODD_NAMES),
)
export const names = (minLength: number, maxLength: number) =>
  fc.uniqueArray(name, { minLength, maxLength })
const text = fc
  .oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'grapheme', maxLength: 100 }),
    fc.constant('�'),
  )
  .filter((each) => JSON.stringify(each) === `"${each}"`)

const tokenOf = {
  text: text.map((each) => `"${each}"`),
  number: numberToken,
  boolean: fc.constantFrom('true', 'false'),
}

const outputs = names(1, 3).chain((each) =>
  fc.tuple(...each.map((output) => fc.tuple(fc.constant(output), fc.option(names(1, 3))))),
)

function modelOf(
  features: readonly string[],
  given: readonly (readonly [string, readonly string[] | null])[],
): ModelDefinition {
  const definitions = given.map(([output, columns]) => {
    const tensor = 'scores'
    return [output, columns === null ? { tensor, column: 0 } : { tensor, columns }]
  })
  const file = new URL('file:///m.onnx')
  const named = Object.fromEntries(definitions)
  return { name: 'm', version: '1', file, sha256: '', input: 'x', features, outputs: named }
}

const fieldsOf = (all: readonly string[]) =>
  fc.tuple(
    ...all.map((each, column) =>
      fc.record({
        is: fc.constant('field' as const),
        name: fc.constant(each),
        column: fc.constant(column),
        type: fc.constantFrom('text' as const, 'number' as const, 'boolean' as const),
        optional: fc.boolean(),
        inner: fc.boolean(),
      }),
    ),
  )

const tokensOf = (fields: readonly Field[]) =>
  fc.tuple(
    ...fields.map(({ type, optional }) =>
      fc.oneof(
        { weight: 6, arbitrary: tokenOf[type] as fc.Arbitrary<Token> },
        { weight: 1, arbitrary: fc.constant<Token>('null') },
        { weight: optional ? 3 : 0, arbitrary: fc.constant<Token>(null) },
      ),
    ),
  )

const INNER = 'card'

/** An event's fields, some of which lie in an object within it. */
function knownEvent(fields: readonly Field[]): KnownObject {
  const some = (inner: boolean) =>
    fields.filter((field) => field.inner === inner).map((field) => [field.name, field] as const)
  const card: KnownValue = { is: 'object', fields: Object.fromEntries(some(true)), isWhole: false }
  return {
    is: 'object',
    fields: Object.fromEntries([...some(false), [INNER, card]]),
    isWhole: false,
  }
}

class Events {
  readonly columns: ScannedColumns
  readonly #memory: Memory[] = []
  readonly events: unknown[] = []
  readonly #fields: readonly Field[]

  constructor(fields: readonly Field[], count: number) {
    this.#fields = fields
    const forms = fields.map(({ name: own, inner, type, optional: isOptional }) => {
      const path = inner ? [INNER, own] : [own]
      return { path, type, isOptional, isWithinOptional: false }
    })
    this.columns = new ScannedColumns(forms, count)
  }

  memoryOf(index: number): Memory {
    return this.#memory[index] as Memory
  }

  /** `before`: what lies in front of the event in its bytes. */
  add(tokens: readonly Token[], before: string): void {
    const row = this.events.length
    const event: Record<string, unknown> = { [INNER]: {} }
    let line = before
    for (const [c, { name: own, type, inner }] of this.#fields.entries()) {
      const token = tokens[c] as Token
      const { states, numbers, starts, ends, capacity } = this.columns
      const cell = c * capacity + row
      states[cell] = token === null ? ABSENT : token === 'null' ? NULL : PRESENT
      if (token === null) continue
      const value: unknown = JSON.parse(token)
      const quote = type === 'text' && value !== null ? 1 : 0
      numbers[cell] = Number(type === 'text' ? 0 : value)
      starts[cell] = Buffer.byteLength(line) + quote
      line += token
      ends[cell] = Buffer.byteLength(line) - quote
      line += ','
      const owner = inner ? (event[INNER] as Record<string, unknown>) : event
      owner[own] = value
    }
    this.events.push(event)
    this.#memory.push(new Memory(new TextEncoder().encode(line).buffer))
  }
}

const finite = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.integer({ min: 0, max: 1_000_000 }).map((k) => k / 1e6),
)

const MOST_ROWS = 4
const MOST_NUMBERS = 9 * MOST_ROWS

export const chunk: fc.Arbitrary<Chunk> = fc
  .record({
    all: names(0, 5),
    numbers: names(0, 6),
    taken: fc.nat(6),
    outputs,
    rows: fc.integer({ min: 1, max: MOST_ROWS }),
  })
  .chain(({ all, ...rest }) =>
    fieldsOf(all).map((fields) => ({ fields: fields as Field[], ...rest })),
  )
  .chain(({ fields, rows, ...rest }) =>
    fc.record({
      fields: fc.constant(fields),
      tokens: fc.array(tokensOf(fields), { minLength: rows, maxLength: rows }),
      before: fc.array(fc.string({ maxLength: 5 }), { minLength: rows, maxLength: rows }),
      scores: fc.array(finite, { minLength: MOST_NUMBERS, maxLength: MOST_NUMBERS }),
      values: fc.array(fc.float(), { minLength: MOST_NUMBERS, maxLength: MOST_NUMBERS }),
      label: fc.constantFrom('card-gbdt@1', 'odd "é"@2+0a1b2c3d'),
      features: fc.constant(rest.numbers.slice(0, rest.taken)),
      carry: fc.constant(rest.numbers.slice(rest.taken)),
      outputs: fc.constant(rest.outputs),
    }),
  )
  .map(({ fields, tokens, before, scores, values, label, features, carry, outputs: given }) => {
    const count = tokens.length
    const events = new Events(fields, count)
    for (const [i, each] of tokens.entries()) events.add(each, before[i] as string)
    const model = modelOf(features, given)
    const columns = Array.from({ length: 9 }, (_, c) => {
      return Float64Array.from(scores.slice(c * count, (c + 1) * count))
    })
    const rows = Float32Array.from(values.slice(0, count * features.length))
    // Not rounded, nor always finite.
    const carried = Float64Array.from(values.slice(0, count * carry.length), (value) => value / 3)
    const step = modelStep(model, { carry })
    const by = { label, route: 'main' }
    const reader = new ScoreReader(step, [by])
    const indices = tokens.map((_, i) => i)
    const answered = {
      ...{ indices, events: events.events, model: { rows, carried }, foundRows: null },
      scores: stepAnswer(columns),
    }
    return {
      known: knownScored(knownEvent(fields), step, by),
      rows: { events, indices, scores: columns, features: rows, carried },
      scored: tokens.map((_, i) => reader.read(i, answered)),
    }
  })
