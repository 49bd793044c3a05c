import ts from 'typescript'
import { beforeAll, expect, test } from 'vitest'
import { programOf } from './program.ts'

// What the compiler says of mistakes that it would else tell only by types that do not fit: a
// sentence that tells what to do.

const BEFORE = `
import { days, defineTopology, hours, onnxModel, rule } from 'tidemark'
import { z } from 'zod'
const A = z.object({ kind: z.literal('a'), at: z.int(), k: z.string(), n: z.number(), tip: z.number().nullable(), note: z.string().optional() })
const B = z.object({ kind: z.literal('b'), at: z.int(), k: z.string() })
type E = z.infer<typeof A> | z.infer<typeof B>
const options = { schema: z.union([A, B]), key: (e: E) => e.k, eventTimeMs: (e: E) => e.at, watermark: { lag: days(1) }, onLate: 'drop' } as const
const model = onnxModel({ name: 'm', version: '1', file: new URL('file:///m'), sha256: '', input: 'x', features: ['n'], outputs: { p: { tensor: 'p', column: 0 } } })
const other = onnxModel({ name: 'o', version: '1', file: new URL('file:///o'), sha256: '', input: 'x', features: ['n', 'm'], outputs: { p: { tensor: 'p', column: 0 } } })
const ruleOf = rule({ outputs: ['p'] }, (f: { m: number }) => ({ p: f.m }))
export const t = defineTopology('t', (t) => {
  const s = t.source('s', options)
  const a = s.where((e) => e.kind === 'a')
  const n = a.features((f) => ({ n: f.events({}).value((e) => e.n) }))
  const nAndM = a.features((f) => ({ n: f.events({}).value((e) => e.n), m: f.events({}).value((e) => e.n) }))
`
const AFTER = `
  return s.sink('o')
})
`
const TIME = 'a length of time: write seconds(5), minutes(5), hours(5) or days(5)'
const COLUMN =
  'a column must be a number, string or boolean: if it may be null or undefined, add ?? and a value'
const FEATURE = 'a feature must be a number: if it may be null or undefined, add ?? NaN'
const SINK = 'end every stream with .sink(topic), and return the sink, or an array of the sinks'

const MISTAKES: readonly (readonly [code: string, sentence: string])[] = [
  ["defineTopology('t', (t) => t.source('s', options))", SINK],
  ["defineTopology('t', (t) => { t.source('s', options).sink('o') })", SINK],
  ["defineTopology('t', () => [s.sink('o'), s.map((e) => e.k)])", SINK],
  ["defineTopology('t', () => a.features((f) => ({ n: f.events({}).value((e) => e.n) })))", SINK],
  ['s.tumbling(60_000)', TIME],
  ['s.tumbling(hours(1), { grace: 5 })', TIME],
  ["t.source('s', { ...options, watermark: { lag: 5 } })", TIME],
  ['s.features((f) => ({ n: f.events({}).rolling(5).count() }))', TIME],
  ['s.features((f) => ({ n: f.events({}).secondsSinceLastEver({ cap: 5, never: 0 }) }))', TIME],
  ['a.features((f) => ({ n: f.events({ tip: (e) => e.tip }).rolling(hours(1)).count() }))', COLUMN],
  [
    'a.features((f) => ({ n: f.events({ note: (e) => e.note }).rolling(hours(1)).count() }))',
    COLUMN,
  ],
  ['a.tumbling(hours(1)).aggregate({ tip: (e) => e.tip }, (w) => ({ n: w.count() }))', COLUMN],
  ['a.features((f) => ({ n: f.events({}).value((e) => e.tip) }))', FEATURE],
  [
    's.features((f) => ({ m: f.events({}).rolling(hours(1)).count() })).score(model)',
    "the model needs the feature 'n': define it",
  ],
  [
    'a.features((f) => ({ n: f.events({}).value((e) => e.n), m: f.events({}).value((e) => e.n) })).score(model)',
    "the model has no input 'm': leave this feature out",
  ],
  [
    "s.features((f) => ({ n: f.only((e) => e.kind === 'a', {}).value((e) => e.n) })).score(model)",
    "some kinds of event have no feature 'n': call .where(isKind) before .score",
  ],
  [
    "n.score({ models: { model, other }, otherwise: 'model' })",
    "a model needs the feature 'm': define it",
  ],
  [
    "n.score({ models: { model, ruleOf }, otherwise: 'model' })",
    "a model needs the feature 'm': define it",
  ],
  [
    'n.score({ variants: [model, other], budget: hours(1) })',
    "a model needs the feature 'm': define it",
  ],
  [
    "nAndM.score({ models: { model }, otherwise: 'model' })",
    "no model has the input 'm': leave this feature out, or carry it",
  ],
  [
    "n.score({ models: { model }, route: [{ to: 'premium', share: 0.1 }], otherwise: 'model' })",
    `Type '"premium"' is not assignable to type '"model"'`,
  ],
  [
    "n.score({ models: { model }, otherwise: 'premium' })",
    `Type '"premium"' is not assignable to type '"model"'`,
  ],
]

/** What the compiler says, by the number of the mistake. */
const said = new Map<number, string[]>()

beforeAll(() => {
  const text = `${BEFORE}${MISTAKES.map(([code]) => code).join('\n')}${AFTER}`
  const { program, file } = programOf('test/types/mistakes.ts', text)
  const before = BEFORE.split('\n').length - 1
  for (const { start = 0, messageText } of program.getSemanticDiagnostics(file)) {
    const mistake = file.getLineAndCharacterOfPosition(start).line - before
    const message = ts.flattenDiagnosticMessageText(messageText, '\n')
    said.set(mistake, [...(said.get(mistake) ?? []), message])
  }
})

test.each(MISTAKES.map(([code, sentence], i) => [code, sentence, i] as const))(
  'the compiler says what to do instead of %s: %s',
  (_, sentence, i) => {
    expect(said.get(i)).toEqual([expect.stringContaining(sentence)])
  },
)

test('nothing else is wrong', () => {
  expect([...said.keys()]).toEqual(MISTAKES.map((_, i) => i))
})
