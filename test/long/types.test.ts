import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { moduleOfExamples } from '../house/aggregates-page.ts'
import { type Block, blocksOf, PAGES } from '../house/pages.ts'
import { ROOT } from '../support/paths.ts'

// Messages of the compiler about the package, of mistakes in its use, and of the TypeScript of the
// pages. One program holds all of them, because it takes seconds to build one.

/**
 * Pages whose TypeScript is run, by tests of their own (`test/testing/page.test.ts`,
 * `test/host/page.test.ts`).
 */
const RUN_ELSEWHERE = ['docs/testing.md', 'docs/embedding.md']

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
const COLUMN = 'a column must be a number, string or boolean: if it may be null or undefined, '
const SKIP = `${COLUMN}write { of, missing: 'skip' }`
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
  ['a.features((f) => ({ n: f.events({ tip: (e) => e.tip }).rolling(hours(1)).count() }))', SKIP],
  ['a.features((f) => ({ n: f.events({ note: (e) => e.note }).rolling(hours(1)).count() }))', SKIP],
  [
    'a.tumbling(hours(1)).aggregate({ tip: (e) => e.tip }, (w) => ({ n: w.count() }))',
    `${COLUMN}call .where(hasIt) before .tumbling`,
  ],
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
    "no model has the input 'm': leave this feature out, carry it, or train a model with it",
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

const PACKAGE = 'src/index.ts'
const MISTAKEN = 'test/types/mistakes.ts'
const EXAMPLES = 'topologies/page-examples.ts'

const blocks = PAGES.flatMap(blocksOf).filter(
  ({ language, page }) => language === 'ts' && !RUN_ELSEWHERE.includes(page),
)
const pages = {
  ...Object.fromEntries(blocks.map((b) => [fileOf(b), b.text])),
  [EXAMPLES]: moduleOfExamples(),
}
const program = programOf(PACKAGE, {
  [MISTAKEN]: `${BEFORE}${MISTAKES.map(([code]) => code).join('\n')}${AFTER}`,
  ...pages,
  ...Object.fromEntries(blocks.flatMap(({ text }) => modelsOf(text))),
})

/** Beside the topologies, because a page's example imports as they do. */
function fileOf({ page, line }: Block): string {
  return `topologies/page-${page.replace(/\W/g, '-')}-${line}.ts`
}

/**
 * Models that an example imports from files that its reader has, with the features that the example
 * gives.
 */
function modelsOf(text: string): [path: string, text: string][] {
  const imports = text.matchAll(/^import \{ (\w+) \} from '\.\/(models\/\w+\.model\.ts)'$/gm)
  return [...imports].map(([, name, path]) => {
    const given = /return \{(.*?)\n? *\}/s.exec(text)?.[1] ?? ''
    const features = [...given.matchAll(/(\w+): \w/g)].map(([, feature]) => `'${feature}'`)
    const outputs = [...text.matchAll(/s\.score\.(\w+)(?:\.(\w+))?/g)].map(([, output, column]) =>
      column === undefined
        ? `${output}: { tensor: '${output}', column: 0 }`
        : `${output}: { tensor: '${output}', columns: ['${column}'] }`,
    )
    const model = `import { onnxModel } from 'tidemark'
      export const ${name} = onnxModel({
        name: '${name}', version: '1', file: new URL('file:///m'), sha256: '', input: 'features',
        features: [${features.join(', ')}], outputs: { ${outputs.join(', ')} },
      })`
    return [`topologies/${path}`, model]
  })
}

/** A program of a file and of texts by path, which import each other as if they were files. */
function programOf(path: string, texts: Readonly<Record<string, string>>): ts.Program {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (file) => ts.sys.readFile(file))
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const host = ts.createCompilerHost(options)
  const given = new Map(Object.entries(texts).map(([file, text]) => [join(ROOT, file), text]))
  const onDisk = { ...host }
  host.getSourceFile = (file, version, ...rest) => {
    const text = given.get(file)
    return text === undefined
      ? onDisk.getSourceFile(file, version, ...rest)
      : ts.createSourceFile(file, text, version)
  }
  host.fileExists = (file) => given.has(file) || onDisk.fileExists(file)
  host.readFile = (file) => given.get(file) ?? onDisk.readFile(file)
  return ts.createProgram([join(ROOT, path), ...given.keys()], options, host)
}

function fileAt(path: string): ts.SourceFile {
  return program.getSourceFile(join(ROOT, path)) as ts.SourceFile
}

interface Said {
  /** From 0. */
  readonly line: number
  readonly message: string
}

/** Messages of the compiler about a file. */
function saidOf(path: string): Said[] {
  const file = fileAt(path)
  const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
  return found.map(({ start = 0, messageText }) => ({
    line: file.getLineAndCharacterOfPosition(start).line,
    message: ts.flattenDiagnosticMessageText(messageText, '\n'),
  }))
}

/**
 * The names without a doc comment that an author can reach from `tidemark`: exports, and members of
 * our own types.
 */
function undocumented(path: string): string[] {
  const checker = program.getTypeChecker()
  const isSaid = (symbol: ts.Symbol) => symbol.getDocumentationComment(checker).length > 0
  const module = checker.getSymbolAtLocation(fileAt(path)) as ts.Symbol
  return checker.getExportsOfModule(module).flatMap((exported) => {
    const symbol =
      (exported.flags & ts.SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported)
    const members = [...(symbol.members?.values() ?? [])].filter(
      (member) => (member.flags & (ts.SymbolFlags.Property | ts.SymbolFlags.Method)) !== 0,
    )
    return [
      ...(isSaid(symbol) ? [] : [exported.name]),
      ...members.filter((m) => !isSaid(m)).map((m) => `${exported.name}.${m.name}`),
    ]
  })
}

test('every word and type of the package says what it is', () => {
  expect(undocumented(PACKAGE)).toEqual([])
})

test('every block of TypeScript on a page is without a fault', () => {
  expect(blocks.length).toBeGreaterThan(5)
  const wrong = Object.keys(pages).flatMap((path) =>
    saidOf(path).map(({ line, message }) => `${path}:${line + 1} ${message}`),
  )
  expect(wrong).toEqual([])
})

/** Messages of the compiler, by the number of the mistake. */
const messages = new Map<number, string[]>()
const before = BEFORE.split('\n').length - 1
for (const { line, message } of saidOf(MISTAKEN)) {
  messages.set(line - before, [...(messages.get(line - before) ?? []), message])
}

test.each(MISTAKES.map(([code, sentence], i) => [code, sentence, i] as const))(
  'the compiler says what to do instead of %s: %s',
  (_, sentence, i) => {
    expect(messages.get(i)).toEqual([expect.stringContaining(sentence)])
  },
)

test('the compiler says nothing else of these mistakes', () => {
  expect([...messages.keys()]).toEqual(MISTAKES.map((_, i) => i))
})
