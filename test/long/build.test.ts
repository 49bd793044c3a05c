import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

/** A checkout with one module, the real bin.js and the real build.js. */
function checkout(): string {
  const options = {
    module: 'NodeNext',
    target: 'ES2023',
    types: ['node'],
    noEmit: false,
    rootDir: '.',
    rewriteRelativeImportExtensions: true,
  }
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'src/tsconfig.json': JSON.stringify({ compilerOptions: options, include: ['.'] }),
    'src/cli/main.ts': mainThatSays('first'),
    'src/cli/shared.ts': 'export const shared = 1',
    'src/index.ts': "export { shared } from './cli/shared.ts'",
  })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const file of ['bin.js', 'build.js']) {
    copyFileSync(join(ROOT, 'src/cli', file), join(folder, 'src/cli', file))
  }
  return folder
}

const mainThatSays = (what: string) => `import { shared } from './shared.ts'
export function main(args: string[]): void { if (shared === 1) console.log('${what}', ...args) }
export function endProcess(): void {}`

async function start(folder: string): Promise<string> {
  const child = spawn(process.execPath, [join(folder, 'src/cli/bin.js'), 'an argument'])
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return `${code} ${stdout.trim()}`
}

test('starts at the same time each find a whole build', async () => {
  const folder = checkout()
  expect(await Promise.all([start(folder), start(folder)])).toEqual([
    '0 first an argument',
    '0 first an argument',
  ])
  expect(readdirSync(join(folder, 'dist')).sort()).toEqual([
    '.sources',
    'chunks',
    'cli',
    'index.js',
  ])
})

test('a source that changed is built again, an entry that is gone leaves nothing', async () => {
  const folder = checkout()
  await start(folder)
  const stamp = () => readFileSync(join(folder, 'dist/.sources'), 'utf8')
  const before = stamp()
  expect(await start(folder)).toBe('0 first an argument')
  expect(stamp()).toBe(before)
  writeFileSync(join(folder, 'src/cli/main.ts'), mainThatSays('second'))
  rmSync(join(folder, 'src/index.ts'))
  expect(await start(folder)).toBe('0 second an argument')
  expect(readdirSync(join(folder, 'dist/cli'))).toEqual(['main.js'])
  expect(readdirSync(join(folder, 'dist'))).not.toContain('index.js')
})

test('a build has the edition of the trees, which changes with any of their files', async () => {
  const folder = checkout()
  const trees = join(folder, 'src/trees')
  mkdirSync(join(trees, 'inner'), { recursive: true })
  copyFileSync(join(ROOT, 'src/trees/edition.ts'), join(trees, 'edition.ts'))
  writeFileSync(
    join(folder, 'src/cli/main.ts'),
    `import { EDITION } from '../trees/edition.ts'
    export function main(): void { console.log(EDITION) }
    export function endProcess(): void {}`,
  )
  const editionWith = async (tree: string) => {
    writeFileSync(join(trees, 'inner/tree.ts'), tree)
    const printed = await start(folder)
    expect(printed).toMatch(/^0 [0-9a-f]{12}$/)
    return printed
  }
  const first = await editionWith('export const leaves = 1')
  expect(await editionWith('export const leaves = 2')).not.toBe(first)
  expect(await editionWith('export const leaves = 1')).toBe(first)
})

test('chunks of an earlier build stay for a day, for those who started with it', async () => {
  const folder = checkout()
  const chunks = () => readdirSync(join(folder, 'dist/chunks'))
  await start(folder)
  const [first = ''] = chunks()
  writeFileSync(join(folder, 'src/cli/shared.ts'), 'export const shared: number = 1 + 0')
  await start(folder)
  expect(chunks()).toHaveLength(2)
  const longAgo = new Date(Date.now() - 2 * 86_400_000)
  utimesSync(join(folder, 'dist/chunks', first), longAgo, longAgo)
  writeFileSync(join(folder, 'src/cli/shared.ts'), 'export const shared: number = 1 + 0 + 0')
  await start(folder)
  expect(chunks()).toHaveLength(2)
  expect(chunks()).not.toContain(first)
})

test('a start leaves the declarations of types that a build has made', async () => {
  const folder = checkout()
  const build = pathToFileURL(join(folder, 'src/cli/build.js')).href
  const { declareWhenStale } = (await import(build)) as { declareWhenStale: () => Promise<void> }
  await declareWhenStale()
  const declared = ['main.d.ts', 'shared.d.ts']
  expect(readdirSync(join(folder, 'dist/cli'))).toEqual(declared)
  await start(folder)
  expect(readdirSync(join(folder, 'dist/cli'))).toEqual(['main.d.ts', 'main.js', 'shared.d.ts'])

  rmSync(join(folder, 'src/index.ts'))
  await start(folder)
  await declareWhenStale()
  expect(readdirSync(join(folder, 'dist'))).not.toContain('index.d.ts')
})

test('an installed package, which has no build.js, runs what it shipped', async () => {
  const folder = checkout()
  await start(folder)
  rmSync(join(folder, 'src/cli/build.js'))
  writeFileSync(join(folder, 'src/cli/main.ts'), mainThatSays('second'))
  expect(await start(folder)).toBe('0 first an argument')
})
