import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { runInThisContext } from 'node:vm'
import { transformSync } from 'esbuild'
import * as fc from 'fast-check'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { type Expression, readFunction } from '../../src/topology/function-reading.ts'
import { evaluate } from '../support/evaluate.ts'
import { folderWith } from '../support/folder.ts'
import { runs } from '../support/runs.ts'

type Of = (event: unknown) => unknown

/** The function of a text. */
function written(text: string): Of {
  return runInThisContext(`(${text}\n)`) as Of
}

/** `null`: the text is none of a function. */
function writtenOrNull(text: string): Of | null {
  try {
    return written(text)
  } catch {
    return null
  }
}

const pick = (...path: string[]): Expression => ({ is: 'pick', path })
const literal = (value: string | number | boolean | null): Expression => ({ is: 'literal', value })
const object = (fields: Record<string, Expression>): Expression => ({
  is: 'object',
  fields: Object.entries(fields),
})
const equals = (path: string[], to: string | number | boolean | null, negated = false) =>
  ({ is: 'equals', path, to, negated }) as const

describe('is read', () => {
  test.each<[string, Expression]>([
    ['(p) => p.amount', pick('amount')],
    ['p => p.amount', pick('amount')],
    ["(p) => p['amount']", pick('amount')],
    ['(p) => p[`amount`]', pick('amount')],
    ["(p) => (p)['a b'].c", pick('a b', 'c')],
    ['(s) => s.score.probability', pick('score', 'probability')],
    ['(s) => s', pick()],
    ['(p) => { return p.amount }', pick('amount')],
    ['(p) => { return (p.amount); }', pick('amount')],
    ['function (p) { return p.amount }', pick('amount')],
    ['function named(p) { return p.amount }', pick('amount')],
    ['function p(p) { return p.amount }', pick('amount')],
    ['{ of(p) { return p.amount } }.of', pick('amount')],
    ["{ ['of'](p) { return p.amount } }.of", pick('amount')],
    ['{ async(p) { return p.amount } }.async', pick('amount')],
    ['(p) => p.amount // of the payment', pick('amount')],
    ['({ amount }) => amount', pick('amount')],
    ["({ 'amount': a, shop }) => a", pick('amount')],
    ["({ ['amount']: a }) => a", pick('amount')],
    ['({ score: { probability } }) => probability', pick('score', 'probability')],
    ['({ score: s }) => s.probability', pick('score', 'probability')],
    ["() => 'all'", literal('all')],
    ['() => `all`', literal('all')],
    ['(e) => -1.5', literal(-1.5)],
    ['(e) => 1_000', literal(1_000)],
    ['(e) => null', literal(null)],
    ['(e) => true', literal(true)],
    ['(e) => !0', literal(true)],
    ['(e) => !1', literal(false)],
    ["(e) => e.kind === 'departed'", equals(['kind'], 'departed')],
    ["(e) => 'departed' === e.kind", equals(['kind'], 'departed')],
    ['(e) => e.n !== -1', equals(['n'], -1, true)],
    ['(e) => e.to === null', equals(['to'], null)],
    ['(e) => e === false', equals([], false)],
    ["({ kind }) => kind === 'departed'", equals(['kind'], 'departed')],
    [
      "(s) => ({ id: s.event.id, 'a-b': s.model, v: 1, inner: { late: s.event.kind === 'late' } })",
      object({
        id: pick('event', 'id'),
        'a-b': pick('model'),
        v: literal(1),
        inner: object({ late: equals(['event', 'kind'], 'late') }),
      }),
    ],
    [
      '({ event, score }) => ({ event, id: event.id, p: score.p })',
      object({ event: pick('event'), id: pick('event', 'id'), p: pick('score', 'p') }),
    ],
    ["(s) => ({ ['shop']: s.shop })", object({ shop: pick('shop') })],
    ['() => ({})', object({})],
  ])('%s', (text, expression) => {
    expect(readFunction(written(text))).toEqual({ expression })
  })
})

describe('is refused, and why', () => {
  test.each<[string, string]>([
    // More than picking.
    ['(e) => e.amount * 2', 'it uses the operator `*`'],
    ['(e) => (e.a ? e.b : e.a)', 'it uses the operator `?:`'],
    ['(e) => e.a ?? 0', 'it uses the operator `??`'],
    ['(e) => e.a || 0', 'it uses the operator `||`'],
    ['(e) => e.a > 1', 'it uses the operator `>`'],
    ["(e) => e.kind == 'a'", 'it uses the operator `==`'],
    ['(e) => !e.a', 'it uses the operator `!`'],
    ['(e) => -e.a', 'it uses the operator `-`'],
    ['(e) => void 0', 'it uses the operator `void`'],
    ['(e) => typeof e', 'it uses the operator `typeof`'],
    ['(e) => (e.a = 1)', 'it uses the operator `=`'],
    ['(e) => e?.a', 'it uses the operator `?.`'],
    ['(e) => e?.a.b', 'it uses the operator `?.`'],
    ['(e) => (e?.a).b', 'it uses the operator `?.`'],
    ['(e) => e.amount.toFixed(2)', 'it calls toFixed'],
    ["(e) => e.amount['toFixed'](2)", 'it calls a function'],
    ['(e) => hourOf(e.at)', 'it calls hourOf'],
    ['(e) => (0, library.hourOf)(e.at)', 'it calls hourOf'],
    ['(e) => ((a) => a)(e)', 'it calls a function'],
    ['(e) => hourOf(e.at).first', 'it calls hourOf'],
    ['(e) => new Set(e.a)', 'it uses `new`'],
    ['(e) => `${e.a}`', 'it fills in a template'],
    ['(e) => String.raw`a`', 'it does more than pick fields'],
    ['(e) => [e.a]', 'it makes an array'],
    ['(e) => () => e.a', 'it makes a function'],
    ['(e) => (0, e.a)', 'it does more than pick fields'],
    ['(e) => e.a === e.b', 'it compares something other than a field with a constant'],
    ['(e) => 1 === 1', 'it compares something other than a field with a constant'],
    ['(e) => e.a === limit', 'it captures `limit`'],
    ['(e) => limit !== e.a', 'it captures `limit`'],
    ['(e) => ({ a: 1 }).a', 'it reads a field of a value that it created'],
    ["(e) => 'abc'.length", 'it reads a field of a value that it created'],
    // Values other than its event.
    ['(e) => limit', 'it captures `limit`'],
    ['(e) => limits.least', 'it captures `limits`'],
    ['(e) => NaN', 'it captures `NaN`'],
    ['(e) => e.a === undefined', 'it captures `undefined`'],
    ['(e) => undefined', 'it captures `undefined`'],
    ['function named(e) { return named.a }', 'it captures `named`'],
    ['function (e) { return arguments }', 'it captures `arguments`'],
    ['function (e) { return this.a }', 'it uses `this`'],
    ['function (e) { return new.target }', 'it does more than pick fields'],
    // Constants that have no JSON.
    ['(e) => 10n', 'it does more than pick fields'],
    ['(e) => /a/', 'it does more than pick fields'],
    ['(e) => 1e999', 'it does more than pick fields'],
    // Names.
    ['(e) => e[e.name]', 'it uses a field name that is not a constant string'],
    ['(e) => e.items[0]', 'it uses a field name that is not a constant string'],
    ['(e) => e.__proto__', 'every object has a `__proto__`'],
    ["(e) => e['constructor']", 'every object has a `constructor`'],
    ['({ toString }) => toString', 'every object has a `toString`'],
    ['(e) => ({ __proto__: e.a })', 'every object has a `__proto__`'],
    ["(e) => ({ '__proto__': e.a })", 'every object has a `__proto__`'],
    ['(e) => ({ a: 1, b: 2, a: e.a })', 'it writes `a` twice'],
    ["(e) => ({ a: 1, '2': e.a })", 'it names a field `2`'],
    ['(e) => ({ 2: e.a })', 'it uses a field name that is not a constant string'],
    ['(e) => ({ [e.a]: 1 })', 'it uses a field name that is not a constant string'],
    ['(e) => ({ ...e })', 'it spreads an object'],
    ['(e) => ({ get a() { return 1 } })', 'it makes a getter or a setter'],
    ['(e) => ({ a() { return 1 } })', 'it makes a function'],
    // Parameters.
    ['(e, i) => e.a', 'it has more than one parameter'],
    ['(e = {}) => e.a', 'its parameter has a default'],
    ['({ a = 3 }) => a', 'its parameter has a default'],
    ['({ a: { b } = {} }) => b', 'its parameter has a default'],
    ['(...e) => e', 'its parameter has a rest element'],
    ['({ a, ...rest }) => a', 'its parameter has a rest element'],
    ['([a]) => a', 'its parameter destructures an array'],
    ['({ 0: a }) => a', 'it uses a field name that is not a constant string'],
    ["({}) => 'a'", 'it destructures something and uses nothing of it'],
    ["({ a }) => 'a'", 'it destructures something and uses nothing of it'],
    ['({ a, a: { b } }) => a', 'it destructures something and uses nothing of it'],
    ['({ a: { b }, c }) => c', 'it destructures something and uses nothing of it'],
    // Bodies and kinds of functions.
    ['(e) => {}', 'its body is not a single `return`'],
    ['(e) => { return }', 'its body is not a single `return`'],
    ['(e) => { const a = e.a; return a }', 'its body is not a single `return`'],
    ["(e) => { 'use strict'; return e.a }", 'its body is not a single `return`'],
    ["(e) => { throw new Error('no') }", 'its body is not a single `return`'],
    ['async (e) => e.a', 'it is async'],
    ['function* (e) { return e.a }', 'it is a generator'],
    ['class { static of(e) { return e.a } }', 'it is neither a function nor a method'],
    [
      "Object.getOwnPropertyDescriptor({ get a() { return 1 } }, 'a').get",
      'it is neither a function nor a method',
    ],
    ['((e) => e.a).bind(null)', 'it has no source that can be read'],
    ['new Proxy((e) => e.a, {})', 'it has no source that can be read'],
    ['Math.abs', 'it has no source that can be read'],
  ])('%s', (text, why) => {
    expect(readFunction(written(text))).toEqual({ why })
  })
})

test('a function is read by its own text, not by what it says of itself', () => {
  const of = Object.assign((e: { a: 1; b: 2 }) => e.a, { toString: () => '(e) => e.b' })
  expect(readFunction(of)).toEqual({ expression: pick('a') })
})

test('a function is read once', () => {
  const of = written('(e) => e.a')
  expect(readFunction(of)).toBe(readFunction(of))
})

// Functions that authors write, as loaders print them.

const FUNCTIONS = `
interface E { readonly a: any; readonly b: any; readonly c: any }
export default [
  (e: E): number => e.a,
  (e: E) => e.b['c'] as string,
  (e: E) => { return e.a!.b.c },
  function named(e: E) { return e.b },
  { method(e: E) { return e.c } }.method,
  ({ a }: E) => a,
  ({ b: { c }, a: renamed }: E) => ({ c, renamed }),
  (e: E) => e,
  () => 'all',
  (e: E) => -1.5,
  (e: E) => \`text "quoted" 'twice'\`,
  (e: E) => e.a === 'x',
  (e: E) => e.a !== 1_000,
  (e: E) => e.b.c === true,
  (e: E) => false !== e.b,
  (e: E) => null === e.a,
  (e: E) => ({ v: 1, c: e.c, a: e.a.b, on: true, off: false, nothing: null, inner: { b: e.b } }) as const,
  ({ a, b }: E) => ({ b, 'a-b': a.c, isX: a.b === 'x', ['c']: b }) satisfies object,
]
`

/** The functions of a CommonJS text. */
function functionsIn(text: string): Of[] {
  const module = { exports: {} as { default?: Of[] } }
  const run = runInThisContext(`((module, exports) => { ${text}\n})`) as (...args: object[]) => void
  run(module, module.exports)
  return module.exports.default ?? []
}

function byTypeScript(target: ts.ScriptTarget): Of[] {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target }
  return functionsIn(ts.transpileModule(FUNCTIONS, { compilerOptions }).outputText)
}

function byEsbuild(how: Parameters<typeof transformSync>[1]): Of[] {
  return functionsIn(transformSync(FUNCTIONS, { loader: 'ts', format: 'cjs', ...how }).code)
}

function byTsx(): Of[] {
  const file = join(
    folderWith({ 'functions.ts': FUNCTIONS, 'package.json': '{"type":"module"}' }),
    'functions.ts',
  )
  const script = `const { default: of } = await import('${pathToFileURL(file).href}'); console.log(JSON.stringify(of.map(String)))`
  const flags = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script]
  const texts = JSON.parse(String(execFileSync(process.execPath, flags))) as string[]
  return texts.map((text) =>
    text.startsWith('method') ? written(`{ ${text} }.method`) : written(text),
  )
}

/**
 * Values for a function: with fields missing, texts and numbers where it looks for objects, and
 * constants that are almost the same.
 */
const leaf = fc.constantFrom(
  'x',
  'y',
  '',
  0,
  -0,
  1,
  -1.5,
  1_000,
  Number.NaN,
  true,
  false,
  null,
  undefined,
)
const event = fc.letrec<{ event: unknown }>((tie) => ({
  event: fc.oneof(
    { maxDepth: 3, depthSize: 'large' },
    leaf,
    fc.record({ a: tie('event'), b: tie('event'), c: tie('event') }, { requiredKeys: [] }),
  ),
})).event

/** The outcome of a call; the text shows the order of all fields, also of undefined ones. */
function outcomeOf(of: Of, given: unknown): unknown {
  try {
    const gave = of(given)
    return { gave, text: JSON.stringify(gave, (_, value: unknown) => value ?? String(value)) }
  } catch (thrown) {
    return { threw: thrown instanceof TypeError }
  }
}

function expressionOf(of: Of): Expression {
  const reading = readFunction(of)
  if ('why' in reading) throw new Error(`${String(of)}: ${reading.why}`)
  return reading.expression
}

/** Is what is read of a function the same as the function? */
function isSame(expression: Expression, of: Of, given: unknown): boolean {
  return isDeepStrictEqual(
    outcomeOf((e) => evaluate(expression, e), given),
    outcomeOf(of, given),
  )
}

describe('what is read of a function gives what the function gives, as printed by', () => {
  test.each<[string, () => Of[]]>([
    ['tsx', byTsx],
    ['tsc, ES2022', () => byTypeScript(ts.ScriptTarget.ES2022)],
    ['tsc, ESNext', () => byTypeScript(ts.ScriptTarget.ESNext)],
    ['esbuild', () => byEsbuild({})],
    ['esbuild, names kept', () => byEsbuild({ keepNames: true })],
    ['esbuild, shortened', () => byEsbuild({ minify: true })],
    ['esbuild, shortened, names kept', () => byEsbuild({ minify: true, keepNames: true })],
  ])('%s', (_, load) => {
    const functions = load()
    expect(functions).toHaveLength(18)
    for (const of of functions) {
      const expression = expressionOf(of)
      const same = fc.property(event, (given) => isSame(expression, of, given))
      fc.assert(same, { numRuns: runs(200) })
    }
  })
})

describe('whatever is read of a function, it gives what the function gives', () => {
  /** Texts of functions in the forms that are read, and in some that look like them. */
  const name = fc.constantFrom('a', 'b', 'c', 'length', '__proto__', 'constructor')
  const parameter = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('e', '(e)', '({ a: e })', '({ b, a: { e } })') },
    fc.constantFrom('({ a: e = 1 })', '({ e, ...a })', '(e, a)', '(e = {})'),
  )
  const body = fc.letrec<{ value: string; field: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      { weight: 4, arbitrary: fc.constantFrom('e', 'e.a', 'e.b.c', '({ c: e.a })') },
      fc.constantFrom("'x'", '`y`', '1_000', '-0', '0', 'null', '!0', '!1', 'NaN', 'a', 'b'),
      fc.tuple(tie('value'), name).map(([of, field]) => `${of}.${field}`),
      fc.tuple(tie('value'), name).map(([of, field]) => `(${of})?.['${field}']`),
      fc.tuple(tie('value'), name).map(([of, field]) => `(${of})[\`${field}\`]`),
      fc
        .tuple(tie('value'), fc.constantFrom('===', '!==', '==', '??', '+'), tie('value'))
        .map(([left, operator, right]) => `(${left}) ${operator} (${right})`),
      fc.array(tie('field'), { maxLength: 3 }).map((fields) => `({ ${fields.join(', ')} })`),
    ),
    field: fc.oneof(
      fc
        .tuple(fc.oneof(name, fc.constantFrom("'2'", '3', "['a']", '[a]')), tie('value'))
        .map(([key, of]) => `${key}: ${of}`),
      fc.constantFrom('e', 'a', '...e'),
    ),
  })).value
  const text = fc
    .tuple(parameter, body, fc.boolean())
    .map(([given, gives, isBlock]) => `${given} => ${isBlock ? `{ return ${gives} }` : gives}`)

  test('of many functions, at least one in seven of which is read', () => {
    let read = 0
    const same = fc.property(text, fc.array(event, { minLength: 8 }), (source, events) => {
      const of = writtenOrNull(source)
      const reading = of === null ? null : readFunction(of)
      if (of === null || reading === null || 'why' in reading) return true
      read++
      return events.every((given) => isSame(reading.expression, of, given))
    })
    fc.assert(same, { numRuns: runs(2_000) })
    expect(read).toBeGreaterThan(runs(300))
  })
})
