import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DeriveStep, FeatureSource, FeaturesStep } from '../../src/topology/definition.ts'
import { runs } from '../support/runs.ts'
import { arrivals } from './arbitraries.ts'
import { engineRows } from './engine-rows.ts'
import { type NaiveResult, unroundedFeatures } from './oracle/naive-features.ts'

// Derived features of random arithmetic, against an interpreter of the same formulas.

type Formula =
  | { readonly is: 'number'; readonly value: number }
  | { readonly is: 'feature'; readonly name: string }
  | { readonly is: 'unary'; readonly op: '-' | '+'; readonly of: Formula }
  | { readonly is: 'binary'; readonly op: Binary; readonly a: Formula; readonly b: Formula }
  | { readonly is: 'call'; readonly of: Called; readonly args: readonly Formula[] }
  | { readonly is: 'if'; readonly test: Test; readonly then: Formula; readonly or: Formula }
interface Test {
  readonly op: '<' | '<=' | '===' | '!=='
  readonly a: Formula
  readonly b: Formula
}
type Binary = '+' | '-' | '*' | '/' | '%'
type Called = 'abs' | 'sqrt' | 'log1p' | 'max' | 'min' | 'hypot' | 'sign'

const BINARY: Readonly<Record<Binary, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
}

function valueOf(formula: Formula, row: ReadonlyMap<string, number>): number {
  switch (formula.is) {
    case 'number':
      return formula.value
    case 'feature':
      return row.get(formula.name) as number
    case 'unary': {
      const value = valueOf(formula.of, row)
      return formula.op === '-' ? -value : value
    }
    case 'binary':
      return BINARY[formula.op](valueOf(formula.a, row), valueOf(formula.b, row))
    case 'call':
      return Math[formula.of](...(formula.args.map((arg) => valueOf(arg, row)) as [number]))
    case 'if': {
      const [a, b] = [valueOf(formula.test.a, row), valueOf(formula.test.b, row)]
      const { op } = formula.test
      const holds = op === '<' ? a < b : op === '<=' ? a <= b : op === '===' ? a === b : a !== b
      return valueOf(holds ? formula.then : formula.or, row)
    }
  }
}

function textOf(formula: Formula): string {
  switch (formula.is) {
    case 'number':
      return String(formula.value)
    case 'feature':
      return `f.${formula.name}`
    case 'unary':
      return `${formula.op}(${textOf(formula.of)})`
    case 'binary':
      return `(${textOf(formula.a)} ${formula.op} ${textOf(formula.b)})`
    case 'call':
      return `Math.${formula.of}(${formula.args.map(textOf).join(', ')})`
    case 'if': {
      const { op, a, b } = formula.test
      return `(${textOf(a)} ${op} ${textOf(b)} ? ${textOf(formula.then)} : ${textOf(formula.or)})`
    }
  }
}

/** A function with the formula as its source; `called` has something that is not compiled. */
function functionOf(formula: Formula, called: boolean): DeriveStep['derived'][string] {
  const text = textOf(formula)
  // oxlint-disable-next-line typescript/no-implied-eval -- the source is of the formula
  return new Function('f', `return ${called ? `Number(${text})` : text}`) as never
}

function formulas(names: readonly string[]): fc.Arbitrary<Formula> {
  return fc.letrec<{ formula: Formula }>((tie) => {
    const part = tie('formula')
    return {
      formula: fc.oneof(
        { maxDepth: 4, depthSize: 'small' },
        fc
          .constantFrom(0, 1, 0.1, 3, 1e300, 1e-7)
          .map((value) => ({ is: 'number', value }) as const),
        fc.constantFrom(...names).map((name) => ({ is: 'feature', name }) as const),
        fc.constantFrom(...names).map((name) => ({ is: 'feature', name }) as const),
        fc
          .tuple(fc.constantFrom('-', '+'), part)
          .map(([op, of]) => ({ is: 'unary', op, of }) as const),
        fc
          .tuple(fc.constantFrom('+', '-', '*', '/', '%'), part, part)
          .map(([op, a, b]) => ({ is: 'binary', op, a, b }) as const),
        fc
          .tuple(fc.constantFrom('abs', 'sqrt', 'log1p', 'sign'), part)
          .map(([of, a]) => ({ is: 'call', of, args: [a] }) as const),
        fc
          .tuple(fc.constantFrom('max', 'min', 'hypot'), part, part)
          .map(([of, ...args]) => ({ is: 'call', of, args }) as const),
        fc
          .tuple(fc.constantFrom('<', '<=', '===', '!=='), part, part, part, part)
          .map(([op, a, b, then, or]) => ({ is: 'if', test: { op, a, b }, then, or }) as const),
      ),
    }
  }).formula
}

// Only features whose float64 the oracle has to the bit.
const columns = { amount: (e: unknown) => (e as { amount: number }).amount }
const window = (lengthMs: number, aggregate: object, before?: true): FeatureSource =>
  ({ from: 'rolling', kind: 0, lengthMs, aggregate, ...(before && { before }) }) as FeatureSource
const NAMES = ['amount', 'count', 'most', 'previous', 'delta', 'since'] as const
const SOURCES: readonly FeatureSource[] = [
  { from: 'value', kind: 0, of: columns.amount },
  window(10_000, { of: 'count' }),
  window(60_000, { of: 'max', column: 'amount', empty: Number.NaN }, true),
  window(60_000, { of: 'previous', column: 'amount', n: 2, cell: 'number', empty: -1 }, true),
  window(1_000, { of: 'delta', column: 'amount', empty: Number.NaN }, true),
  { from: 'sinceLast', kind: 0, lengthMs: 10_000, empty: Number.NaN },
]
const STEP: FeaturesStep = {
  ...{ op: 'features', name: 'features', then: [] },
  kinds: [{ is: null, columns }],
  features: SOURCES.map((source, i) => ({ name: NAMES[i] as string, ...source })),
}

interface Derivation {
  readonly formulas: Readonly<Record<string, Formula>>
  readonly step: Omit<DeriveStep, 'then'>
}

function derivation(name: string, names: readonly string[]): fc.Arbitrary<Derivation> {
  const one = fc.tuple(formulas(names), fc.boolean())
  const drop = fc.subarray([...names], { maxLength: 3 })
  return fc.tuple(fc.tuple(one, one), drop).map(([pair, dropped]) => {
    const own = pair.map(([formula, called], i) => [`${name}${i}`, formula, called] as const)
    return {
      formulas: Object.fromEntries(own.map(([feature, formula]) => [feature, formula])),
      step: {
        ...{ op: 'derive', name, drop: dropped },
        derived: Object.fromEntries(
          own.map(([feature, formula, called]) => [feature, functionOf(formula, called)]),
        ),
      },
    }
  })
}

/** Two derive steps: the second may use what the first has derived. */
const twoSteps = derivation('first', NAMES).chain((first) => {
  const names = NAMES.filter((name) => !first.step.drop.includes(name))
  const all = [...names, ...Object.keys(first.formulas)]
  return derivation('second', all).map((second) => [first, second] as const)
})

function naive({ late, row }: NaiveResult<readonly number[]>, steps: readonly Derivation[]) {
  if (row === null) return { late, row }
  let values = new Map<string, number>(NAMES.map((name, i) => [name, row[i] as number]))
  for (const { formulas: own, step } of steps) {
    const derived = Object.entries(own).map(([name, f]) => [name, valueOf(f, values)] as const)
    values = new Map([...[...values].filter(([name]) => !step.drop.includes(name)), ...derived])
  }
  return { late, row: Float32Array.from(values.values()) }
}

const CELLS = runs(5) === 5 ? 500_000 : 20_000
const MOST_EVENTS = 60

test('derived features have the bits of their formulas on unrounded numbers, rounded once', () => {
  const lagMs = 1_000
  const options = { lagMs, onLate: 'score', lookup: () => new Map() } as const
  const run = fc.tuple(twoSteps, arrivals(lagMs, MOST_EVENTS), fc.integer({ min: 1, max: 20 }))
  let cells = 0
  fc.assert(
    fc.property(run, ([steps, events, chunk]) => {
      const derive = steps.map(({ step }) => step)
      const expected = unroundedFeatures(STEP, options, events).map((one) => naive(one, steps))
      // A model takes NaN here, and no infinity.
      const isTaken = ({ row }: { row: Float32Array | null }) =>
        row?.every((n) => Number.isFinite(n) || Number.isNaN(n)) === true
      const answers = engineRows({ step: STEP, options, events, derive }, chunk)
      expect(answers).toEqual(expected.map((e) => (isTaken(e) ? e : { late: e.late, row: null })))
      cells += 4 * events.length
    }),
    { numRuns: Math.ceil((3 * CELLS) / (4 * MOST_EVENTS)) },
  )
  expect(cells).toBeGreaterThan(CELLS)
})
