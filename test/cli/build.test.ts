import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { PROCESS_TEST_MS } from '../services/tidemark-in-test.ts'
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
  }
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'src/tsconfig.json': JSON.stringify({ compilerOptions: options, include: ['.'] }),
    'src/cli/main.ts': mainThatSays('first'),
    'src/cli/gone.ts': 'export {}',
  })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const file of ['bin.js', 'build.js']) {
    copyFileSync(join(ROOT, 'src/cli', file), join(folder, 'src/cli', file))
  }
  return folder
}

const mainThatSays = (what: string) =>
  `export function main(args: string[]): void { console.log('${what}', ...args) }`

async function start(folder: string): Promise<string> {
  const child = spawn(process.execPath, [join(folder, 'src/cli/bin.js'), 'an argument'])
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return `${code} ${stdout.trim()}`
}

test('starts at the same time each find a whole build', { timeout: PROCESS_TEST_MS }, async () => {
  const folder = checkout()
  expect(await Promise.all([start(folder), start(folder)])).toEqual([
    '0 first an argument',
    '0 first an argument',
  ])
  expect(readdirSync(join(folder, 'dist')).sort()).toEqual(['.sources', 'cli'])
})

test('a source that changed is built anew, one that is gone leaves nothing', {
  timeout: PROCESS_TEST_MS,
}, async () => {
  const folder = checkout()
  await start(folder)
  const stamp = () => readFileSync(join(folder, 'dist/.sources'), 'utf8')
  const before = stamp()
  expect(await start(folder)).toBe('0 first an argument')
  expect(stamp()).toBe(before)
  writeFileSync(join(folder, 'src/cli/main.ts'), mainThatSays('second'))
  rmSync(join(folder, 'src/cli/gone.ts'))
  expect(await start(folder)).toBe('0 second an argument')
  expect(readdirSync(join(folder, 'dist/cli'))).toEqual(['main.js'])
})

test('a start leaves the declarations of types that a build has made', {
  timeout: 2 * PROCESS_TEST_MS,
}, async () => {
  const folder = checkout()
  const build = pathToFileURL(join(folder, 'src/cli/build.js')).href
  const { declareWhenStale } = (await import(build)) as { declareWhenStale: () => Promise<void> }
  await declareWhenStale()
  const declared = ['gone.d.ts', 'main.d.ts']
  expect(readdirSync(join(folder, 'dist/cli'))).toEqual(declared)
  await start(folder)
  expect(readdirSync(join(folder, 'dist/cli'))).toEqual([
    'gone.d.ts',
    'gone.js',
    'main.d.ts',
    'main.js',
  ])

  rmSync(join(folder, 'src/cli/gone.ts'))
  await start(folder)
  await declareWhenStale()
  expect(readdirSync(join(folder, 'dist/cli'))).toEqual(['main.d.ts', 'main.js'])
})

test('an installed package, which has no build.js, runs what it shipped', {
  timeout: PROCESS_TEST_MS,
}, async () => {
  const folder = checkout()
  await start(folder)
  rmSync(join(folder, 'src/cli/build.js'))
  writeFileSync(join(folder, 'src/cli/main.ts'), mainThatSays('second'))
  expect(await start(folder)).toBe('0 first an argument')
})
