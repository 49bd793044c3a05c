import { pathToFileURL } from 'node:url'
import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { endReading, importBundle } from '../../src/host/author-files.ts'
import { folderWith } from '../support/folder.ts'

afterAll(endReading)

/** The default export of the file of that name, in a folder with these files. */
async function loaded(files: Record<string, string>, name: string): Promise<unknown> {
  const { default: given } = (await importBundle(`${folderWith(files)}/${name}`)) as {
    default: unknown
  }
  return given
}

const PACKAGE = {
  'node_modules/counter/package.json': '{"name":"counter","type":"module","exports":"./index.js"}',
  'node_modules/counter/index.js': 'export const counts = { n: 0 }',
}

test('each file knows its own place', async () => {
  const folder = folderWith({
    'main.ts': `import { inner } from './deep/inner.ts'
export default { own: import.meta.url, folder: import.meta.dirname, inner }`,
    'deep/inner.ts': `export const inner: string[] = [import.meta.url, import.meta.filename]`,
  })
  expect(await importBundle(`${folder}/main.ts`)).toMatchObject({
    default: {
      own: pathToFileURL(`${folder}/main.ts`).href,
      folder,
      inner: [pathToFileURL(`${folder}/deep/inner.ts`).href, `${folder}/deep/inner.ts`],
    },
  })
})

test('an import may leave the extension out, or name the JavaScript that it becomes', async () => {
  const files = {
    'main.ts': `import { a } from './a'\nimport { b } from './b.js'\nexport default [a, b]`,
    'a.ts': 'export const a: number = 1',
    'b.ts': 'export enum Kind { first = 2 }\nexport const b = Kind.first',
  }
  expect(await loaded(files, 'main.ts')).toEqual([1, 2])
})

test('what is installed is there once, whoever imports it', async () => {
  const folder = folderWith({
    ...PACKAGE,
    'a.ts': `import { counts } from 'counter'\ncounts.n++\nexport default counts`,
    'b.ts': `import { counts } from 'counter'\ncounts.n++\nexport default counts`,
  })
  const a = (await importBundle(`${folder}/a.ts`)) as { default: unknown }
  const b = (await importBundle(`${folder}/b.ts`)) as { default: unknown }
  expect(a.default).toEqual({ n: 2 })
  expect(b.default).toBe(a.default)
})

test('CommonJS asks for its own files and for packages', async () => {
  const files = {
    'package.json': '{}',
    'main.cjs': `const path = require('node:path')
const own = require('./own.cjs')
const { named } = require('plain')
module.exports = { own, named, file: path.basename(__filename) }`,
    'own.cjs': 'module.exports = 1',
    'node_modules/plain/package.json': '{"name":"plain","main":"./main.js"}',
    'node_modules/plain/main.js': 'exports.named = 2',
  }
  expect(await loaded(files, 'main.cjs')).toEqual({ own: 1, named: 2, file: 'main.cjs' })
})

test('a topology that is installed itself is read with its own files', async () => {
  const files = {
    'node_modules/theirs/main.ts': `import { two } from './two.ts'\nexport default two as number`,
    'node_modules/theirs/two.ts': 'export const two: number = 2',
  }
  expect(await loaded(files, 'node_modules/theirs/main.ts')).toBe(2)
})

test('what the author throws names the line that threw', async () => {
  const folder = folderWith({
    'main.ts': `import { fail } from './fail.ts'\nexport default fail as () => never`,
    'fail.ts': `interface Unused { readonly a: string }\n\nexport function fail(): never {
  throw new Error('of the author')
}`,
  })
  const { default: fail } = (await importBundle(`${folder}/main.ts`)) as { default: () => never }
  expect(stackOf(fail)).toMatch(/at fail \(.*\/fail\.ts:4:9\)/)
})

function stackOf(of: () => never): string | undefined {
  try {
    return of()
  } catch (thrown) {
    return (thrown as Error).stack
  }
}

test('it is loaded also where no file can be written', async () => {
  const folder = folderWith({ 'main.ts': 'export const one = 1 as number' })
  vi.stubEnv('TMPDIR', `${folder}/none`)
  onTestFinished(() => void vi.unstubAllEnvs())
  expect(await importBundle(`${folder}/main.ts`)).toMatchObject({ one: 1 })
})
