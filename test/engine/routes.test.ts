import * as fc from 'fast-check'
import { defineTopology, hours, minutes, onnxModel, rule, seconds } from 'tidemark'
import { expect, describe as group, test } from 'vitest'
import { z } from 'zod'
import { mermaid } from '../../src/cli/graph.ts'
import { topologyNotes, validateTopology } from '../../src/engine/checks.ts'
import { Dictionary } from '../../src/engine/store/dictionary.ts'
import { Share } from '../../src/kernel/shares.ts'
import type { Definition, ScoreStep } from '../../src/topology/definition.ts'
import { fieldsRead } from '../../src/topology/function-source.ts'
import { scoreStepsOf } from '../../src/topology/graph.ts'
import { HASH } from '../support/hash.ts'
import { batchOf } from './batch.ts'
import { engineFor } from './engine-for.ts'
import { whole } from './whole.ts'

const Sale = z.object({ shop: z.string(), at: z.number(), amount: z.number(), tier: z.string() })
type Sale = z.infer<typeof Sale>

function model<const F extends readonly string[]>(name: string, features: F) {
  const file = new URL(`file:///${name}.onnx`)
  const outputs = { p: { tensor: 'p', column: 0 } }
  return onnxModel({ name, version: '1', file, sha256: 'ab', input: 'x', features, outputs })
}

const plain = model('plain', ['amount', 'count'])
const rich = model('rich', ['sum', 'amount'])
const doubled = rule({ outputs: ['p'] }, (f) => ({ p: f.amount * 2 }))

const sales = defineTopology('sales', (t) =>
  t
    .source('sales', {
      schema: Sale,
      key: (s) => s.shop,
      eventTimeMs: (s) => s.at,
      watermark: { lag: seconds(1) },
      onLate: 'drop',
    })
    .features((f) => {
      const all = f.events({ amount: (s) => s.amount })
      const hour = all.rolling(hours(1))
      return { amount: all.value('amount'), count: hour.count(), sum: hour.sum('amount') }
    })
    .score(
      {
        models: { main: plain, rich, canary: plain, doubled },
        route: [
          { to: 'rich', when: (s) => s.tier === 'gold', name: 'gold' },
          { to: 'rich', when: (_, f) => f.sum >= 100 },
          { to: 'doubled', when: (s, _f, at) => s.amount < 0 && at >= 5_000 },
          { to: 'canary', share: 0.25 },
        ],
        otherwise: 'main',
        fallback: 'doubled',
        shadow: { canary: { sink: 'watched', share: 0.5 } },
      },
      { latencyBudget: minutes(1) },
    )
    .sink('scores'),
)

function routesOf(definition: Definition, events: readonly Partial<Sale>[]) {
  const engine = engineFor(definition)
  const given = events.map((event, i) => {
    const sale = { shop: 'a', at: i * 1_000, amount: 1, tier: 'none', ...event }
    return { key: sale.shop, timeMs: sale.at, event: sale }
  })
  const { arrivals, faults } = whole(engine.process(batchOf(engine, given)))
  return { routes: [...(arrivals[0]?.routes ?? [])], arrivals, faults }
}

test('the first rule that holds decides, by event, features and event time; else none does', () => {
  const inShare = new Share('canary', 0.25)
  const shops = Array.from({ length: 400 }, (_, i) => `shop-${i}`)
  const out = shops.find((shop) => !inShare.has(shop)) as string
  const [own] = shops.filter((shop) => inShare.has(shop)) as [string]
  const { routes } = routesOf(sales, [
    { shop: out },
    { shop: out, tier: 'gold', amount: 200 },
    { shop: out },
    { shop: own },
    { shop: own, amount: -1, at: 4_000 },
    { shop: own, amount: -1, at: 5_000 },
  ])
  expect(routes).toEqual([4, 0, 1, 3, 3, 2])
})

test('a key is in a share by its bytes as by its text', () => {
  const keys = new Dictionary(HASH)
  const share = new Share('canary', 0.5)
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constant('\ud800 alone'))
  fc.assert(
    fc.property(texts, (key) => {
      expect(share.hasNumber(keys.numberOf(key), keys)).toBe(share.has(key))
    }),
  )
})

test('rows have all features of the models, in the order of their definition', () => {
  const { arrivals } = routesOf(sales, [{ amount: 3 }, { amount: 4 }])
  expect([...(arrivals[0]?.rows ?? [])]).toEqual([3, 1, 3, 4, 2, 7])
})

test('an event whose rule throws is set aside by itself, with the name of the rule', () => {
  const step = sales.then[0] as Extract<Definition['then'][number], { op: 'features' }>
  const score = step.then[0] as Extract<(typeof step.then)[number], { op: 'score' }>
  const when = (event: unknown) => {
    if ((event as Sale).amount === 2) throw new RangeError('no')
    return false
  }
  const routes = [{ name: 'first', to: 'rich', when, share: null }]
  const throwing = { ...sales, then: [{ ...step, then: [{ ...score, routes }] }] }
  const { routes: decided, faults } = routesOf(throwing, [{}, { amount: 2 }, {}])
  expect(decided).toEqual([1, 1])
  expect(faults.map(({ of, error }) => [of, error.code, error.message])).toEqual([
    [1, 'FUNCTION_THREW', 'step "score.first" threw RangeError'],
  ])
})

test('a rule that answers no boolean sets its event aside: a promise would hold for all', () => {
  const step = sales.then[0] as Extract<Definition['then'][number], { op: 'features' }>
  const score = step.then[0] as Extract<(typeof step.then)[number], { op: 'score' }>
  const when = (event: unknown) => ((event as Sale).amount === 2 ? Promise.resolve(false) : true)
  const routes = [{ name: 'first', to: 'rich', when: when as () => boolean, share: null }]
  const answering = { ...sales, then: [{ ...step, then: [{ ...score, routes }] }] }
  const { routes: decided, faults } = routesOf(answering, [{}, { amount: 2 }, {}])
  expect(decided).toEqual([0, 0])
  expect(faults.map(({ of, error }) => [of, error.code, error.message])).toEqual([
    [1, 'FUNCTION_THREW', 'step "score.first" must return true or false, got object'],
  ])
})

test('a feature that is not finite keeps an event only from a model that takes it', () => {
  // Together they are more than a float32 holds: an infinite sum, which only "rich" takes.
  const { routes, faults } = routesOf(sales, [
    { amount: 3e38, tier: 'gold' },
    { amount: -3e38, at: 6_000 },
    { amount: 3e38, shop: 'b', tier: 'gold', at: 7_000 },
    { amount: 3e38, shop: 'b', tier: 'gold', at: 7_000 },
  ])
  expect(faults.map(({ of, error }) => [of, error.code])).toEqual([[3, 'FEATURE_NOT_FINITE']])
  expect(routes).toEqual([0, 2, 0])
})

function scoreOf({ then }: Definition): ScoreStep {
  return scoreStepsOf(then)[0] as ScoreStep
}

const BAD = { p: 'one' } as unknown as { p: number }

group('what types cannot check is refused at start', () => {
  function refused(change: object): string[] {
    const step = sales.then[0] as Extract<Definition['then'][number], { op: 'features' }>
    const changed = { ...step, then: [{ ...step.then[0], ...change }] }
    return validateTopology({ ...sales, then: [changed] } as unknown as Definition).map(
      (f) => f.message,
    )
  }
  const route = { name: 'r', to: 'rich', when: null, share: 0.5 }

  test.each<[string, object, string]>([
    ['no such model', { routes: [{ ...route, to: 'x' }] }, '"x" is none of the models'],
    ['no such fallback', { fallback: { to: 'x', on: [] } }, 'fallback "x" is none'],
    ['no such otherwise', { otherwise: 'x' }, 'otherwise "x" is none'],
    ['a share above 1', { routes: [{ ...route, share: 1.5 }] }, 'share 1.5 must be'],
    ['a share between steps', { routes: [{ ...route, share: 0.000_05 }] }, 'share 0.00005 must'],
    ['two of one name', { routes: [route, route] }, 'two rules are named "r"'],
    ['neither', { routes: [{ ...route, share: null }] }, 'it has neither when nor share'],
    ['no function', { routes: [{ ...route, when: 1 }] }, 'when must be a function, got number'],
    ['a name of the product', { routes: [{ ...route, name: 'fallback:x' }] }, 'cannot be named'],
    [
      'a model without a printable name',
      { models: { ...scoreOf(sales).models, 'a\n': plain } },
      'a model cannot be named "a\\n"',
    ],
    ['a name with quotes', { routes: [{ ...route, name: 'a "b"' }] }, 'cannot be named'],
    [
      'the name of another model',
      { routes: [{ ...route, name: 'main' }] },
      'rule "main" has the name of the model for all other events',
    ],
    [
      'a shadow without an output',
      {
        shadows: [{ model: 'canary', sink: null, share: 1 }],
        outputs: { p: {}, q: {} },
      },
      'shadow "canary" has no output q',
    ],
    [
      'a fallback to itself',
      { routes: [], shadows: [], fallback: { to: 'main', on: [] } },
      'fallback "main" is the model that scores every event already',
    ],
    [
      'a feature that is not there',
      { routes: [{ ...route, when: (_: unknown, f: Record<string, number>) => f['gone'] === 1 }] },
      'there is no feature gone',
    ],
    [
      'a rule that returns text',
      { models: { ...scoreOf(sales).models, bad: rule({ outputs: ['p'] }, () => BAD) } },
      'the rule must return numbers: p is none',
    ],
    [
      'two files of one name and version',
      { models: { ...scoreOf(sales).models, other: { ...plain, file: new URL('file:///x') } } },
      'two models with different files are plain@1',
    ],
    ['no common output', { outputs: {} }, 'its models have no output in common: main has p'],
  ])('%s', (_, change, message) => {
    expect(refused(change)).toEqual([expect.stringContaining(message)])
  })

  test('and nothing else is', () => expect(refused({})).toEqual([]))
})

test('a graph draws the rules, the fallback and the shadows', () => {
  expect(mermaid(sales).split('\n').slice(2)).toEqual([
    '  step1["features: 3"]',
    '  step2{"score"}',
    '  step3[["scores"]]',
    '  step2Model1(["main: plain@1"])',
    '  step2Model2(["rich: rich@1"])',
    '  step2Model3(["canary: plain@1"])',
    '  step2Model4(["doubled: doubled@1"])',
    '  step2Shadow1[["watched"]]',
    '  deadLetters[["sales.dlq"]]',
    '  source --> step1',
    '  step1 --> step2',
    '  step2Model2 --> step3',
    '  step2Model4 --> step3',
    '  step2Model3 --> step3',
    '  step2Model1 --> step3',
    '  step2 -- "gold" --> step2Model2',
    '  step2 -- "rich" --> step2Model2',
    '  step2 -- "doubled" --> step2Model4',
    '  step2 -- "canary: 25 %" --> step2Model3',
    '  step2 -- otherwise --> step2Model1',
    '  step2Model2 -. fallback .-> step2Model4',
    '  step2Model3 -. fallback .-> step2Model4',
    '  step2Model1 -. fallback .-> step2Model4',
    '  step2 -. "shadow: 50 %" .-> step2Model3',
    '  step2Model3 -.-> step2Shadow1',
    '  source -. malformed .-> deadLetters',
    '  step1 -. late .-> step1Dropped(("dropped"))',
    '  step2Model4 -. not finite .-> deadLetters',
  ])
})

test('which features a rule reads is told by its source, or that it does not tell', () => {
  const any = (of: (...args: never[]) => unknown) => fieldsRead(of, 1)
  expect(any((_: unknown, f: Record<string, number>) => Number(f['a']) > 1)).toEqual(['a'])
  expect(any((_: unknown, { a, b }: { a: number; b: number }) => a > b)).toEqual(['a', 'b'])
  expect(any((e: { a: number }) => e.a > 1)).toEqual([])
  expect(any((_: unknown, f: object) => Object.keys(f).length > 1)).toBeNull()
  // A method has all of it, and a default may.
  expect(any((_: unknown, f: number[]) => f.at(0) === 1)).toBeNull()
  expect(any((_: unknown, f: object, all = f) => all === f)).toBeNull()
  expect(any((_: unknown, f: Record<string, number>) => f['a']?.toFixed() === '1')).toEqual(['a'])
  expect(any((_: unknown, { a = 1 }: { a?: number }) => a > 1)).toEqual(['a'])
})

test('a model that scores no event is told', () => {
  const step = sales.then[0] as Extract<Definition['then'][number], { op: 'features' }>
  const fewer = { ...step.then[0], routes: [], shadows: [] }
  const changed = { ...sales, then: [{ ...step, then: [fewer] }] } as unknown as Definition
  expect(topologyNotes(sales)).toEqual([])
  expect(topologyNotes(changed)).toEqual(
    ['rich', 'canary'].map(
      (name) => `sales: model "${name}" of step "score" scores no event: no rule names it`,
    ),
  )
})
