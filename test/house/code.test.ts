import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { PROCESS_TEST_MS, tidemark } from '../services/tidemark-in-test.ts'
import { ROOT } from '../support/paths.ts'
import { programOver } from '../types/program.ts'
import { moduleOfExamples } from './aggregates-page.ts'
import { type Block, blocksOf, PAGES } from './pages.ts'

// The blocks of the pages: TypeScript is type-checked, JSON read, and what a command prints is what
// it prints.

/**
 * Whose TypeScript is run, by tests of their own (`test/testing/page.test.ts`,
 * `test/host/page.test.ts`).
 */
const RUN_ELSEWHERE = ['docs/testing.md', 'docs/embedding.md']

const blocks = PAGES.flatMap(blocksOf)
const of = (language: string) => blocks.filter((block) => block.language === language)
const placeOf = ({ page, line }: Block) => `${page}:${line}`

test('every block is of a kind that is held to something', () => {
  // What has no language is a picture, or an example of what is read or printed.
  const kinds = ['', 'ts', 'ts feature', 'sh', 'json', 'mermaid', 'console', 'python']
  expect(blocks.length).toBeGreaterThan(60)
  expect(blocks.filter(({ language }) => !kinds.includes(language)).map(placeOf)).toEqual([])
})

test('every block of JSON and of Mermaid can be read', () => {
  for (const { text } of of('json')) JSON.parse(text)
  const unknown = of('mermaid').filter(
    ({ text }) => !/^(flowchart|sequenceDiagram|stateDiagram-v2)\b/.test(text),
  )
  expect(unknown.map(placeOf)).toEqual([])
})

test('every block of TypeScript is type-checked', { timeout: PROCESS_TEST_MS }, () => {
  const modules = of('ts').filter(({ page }) => !RUN_ELSEWHERE.includes(page))
  expect(modules.length).toBeGreaterThan(5)
  const texts = new Map(modules.map((block) => [fileOf(block), block.text]))
  texts.set('topologies/page-examples.ts', moduleOfExamples())
  const models = Object.fromEntries(modules.flatMap(({ text }) => modelsOf(text)))
  const program = programOver([...texts.keys()], { ...Object.fromEntries(texts), ...models })
  const wrong = [...texts.keys()].flatMap((path) => {
    const file = program.getSourceFile(join(ROOT, path)) as ts.SourceFile
    const found = [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]
    return found.map(({ start = 0, messageText }) => {
      const line = file.getLineAndCharacterOfPosition(start).line + 1
      return `${path}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
  })
  expect(wrong).toEqual([])
})

/** Beside the topologies, since a page's example imports as they do. */
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

const consoles = of('console').map((block) => [placeOf(block), block.text] as const)

test.each(consoles)(
  'what a command prints is what the page says: %s',
  { timeout: PROCESS_TEST_MS },
  async (_, text) => {
    const [command = '', ...wanted] = text.trimEnd().split('\n')
    const [, args] = /^\$ npx tidemark (.+)$/.exec(command) ?? []
    expect(args).toBeDefined()
    const { stdout, stderr } = await tidemark((args as string).split(' '))
    const printed = `${stdout}${stderr}`
    // `…` stands for lines, or the rest of one.
    for (const line of wanted.filter((l) => l !== '…')) {
      expect(printed).toContain(line.replace(/…$/, ''))
    }
  },
)

test('the demo prints what the README says', { timeout: PROCESS_TEST_MS }, async () => {
  const [block] = blocksOf('README.md').filter(({ text }) => text.includes('demo: '))
  const { stdout, stderr } = await tidemark(['demo', '--seconds', '0'])
  const printed = `${stdout}${stderr}`.split('\n').map(flat)
  const lines = (block?.text ?? '').split('\n').filter((line) => line !== '' && line !== '…')
  expect(lines.length).toBeGreaterThan(5)
  expect(lines.map(flat).filter((line) => !printed.includes(line))).toEqual([])
})

/** Without columns; which flights are shown depends on the pace, so one is told by its form. */
function flat(line: string): string {
  const text = line.replace(/ +/g, ' ').trim()
  return /^[A-Z][a-z]{2} \d\d /.test(text)
    ? text.replace(/\b(?=\w*\d)\w+|\b[A-Z]{3}\b|^\w+/g, '#')
    : text
}
