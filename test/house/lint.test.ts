import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// Rules of `npm run lint` beyond mistakes, each with files that break it.

const CONFIG = '.oxlintrc.json'
const SETTINGS = { [CONFIG]: readFileSync(join(ROOT, CONFIG), 'utf8') }
const FOLDERS = ['src', 'topologies', 'test']

/** Where all depends on the log alone. */
const WALLED = ['src/topology', 'src/engine', 'topologies']

/** Code that depends on more than the log, by the rule it breaks. */
const IMPURE: Readonly<Record<string, readonly string[]>> = {
  'eslint(no-undef)': [
    'setTimeout(f, 1)',
    'setInterval(f, 1)',
    'setImmediate(f)',
    'queueMicrotask(f)',
    'process.env',
    'global.process',
    "fetch('http://localhost')",
    'crypto.randomUUID()',
    'performance.now()',
    "require('node:fs')",
    'Buffer.alloc(1)',
  ],
  'eslint(no-restricted-globals)': [
    'globalThis.process',
    "globalThis['process']",
    'const { setTimeout } = globalThis',
    'Date.now()',
    'new Date()',
    'const { now } = Date',
    'new Intl.DateTimeFormat()',
    'new WeakRef(f)',
    'new FinalizationRegistry(f)',
    "new Function('return process')",
    "(0, eval)('process')",
  ],
  'eslint(no-restricted-properties)': [
    'Math.random()',
    "Math['random']()",
    'const { random } = Math',
  ],
  'import(no-dynamic-require)': ["import('node:' + f.name)"],
}

/** Where tests move the time. */
const TIMELESS: Readonly<Record<string, readonly string[]>> = {
  'eslint(no-restricted-globals)': [
    'Date.now()',
    'performance.now()',
    'setTimeout(f, 1)',
    'setInterval(f, 1)',
  ],
  'eslint(no-restricted-imports)': [
    "import { setTimeout as sleep } from 'node:timers/promises'",
    "import { setInterval as repeat } from 'node:timers'",
  ],
}

/** Code that is refused in all of the sources. */
const ANYWHERE: Readonly<Record<string, readonly string[]>> = {
  'typescript(ban-ts-comment)': [
    '// @ts-ignore it is wrong\nf()',
    '/* @ts-ignore it is wrong */\nf()',
    '// @ts-nocheck it is wrong\nf()',
    '// @ts-expect-error\nf()',
  ],
  'eslint(no-console)': ["console.log('f')", "console.error('f')"],
  'eslint(no-restricted-properties)': ['Math.random()', '[1].forEach(f)'],
  'eslint(no-warning-comments)': ['// TODO it is wrong', '/** FIXME it is wrong */'],
}

/** Tests that hold nothing, or that a busy machine breaks. */
const UNHELD: Readonly<Record<string, readonly string[]>> = {
  'eslint(no-restricted-properties)': [
    'vi.waitFor(f)',
    'vi.waitUntil(f, { timeout: 9 })',
    'expect.poll(f)',
  ],
  'vitest(expect-expect)': [
    "test('f', () => { f() })",
    "it('f', async () => { await f() })",
    "test.each([1])('f %i', (n) => { f(n) })",
  ],
}

/** Words that switch rules off; not written as comments here, where they would do so. */
const [OXLINT, ESLINT, BIOME] = ['oxlint-disable', 'eslint-disable', 'biome-ignore-all']

const SWITCHED_OFF: Readonly<Record<string, readonly string[]>> = {
  'no-disable-for-a-file': [
    `/* ${OXLINT} */`,
    `// ${OXLINT} no-console -- it prints`,
    `f() /*\n${ESLINT} */`,
    `// ${BIOME} lint: it is wrong`,
  ],
  'disable-names-rule-and-reason': [
    `// ${OXLINT}-next-line`,
    `f() // ${ESLINT}-line no-console`,
    `// ${OXLINT}-next-line -- it prints`,
  ],
}

/** Whoever looks through the wall must take it down for all to see. */
const BEHIND_THE_WALL: Readonly<Record<string, readonly string[]>> = {
  'no-disable-behind-the-wall': [
    `// ${OXLINT}-next-line no-undef -- it is needed\nprocess.env`,
    `Date.now() // ${ESLINT}-line no-restricted-globals -- it is needed`,
  ],
}

const CLEAN: Readonly<Record<string, string>> = {
  'src/engine/clean.ts': 'export const f = Math.max(1, new Map([[1, new Float64Array(1)]]).size)',
  'topologies/clean.ts': "export default new URL('f', import.meta.url)",
  'src/runtime/clean.ts': 'export const f = [process.pid, Date.now()]',
  'src/connect/kafka/client/connections.ts': 'export const f = performance.now()',
  'src/runtime/said.ts': "// @ts-expect-error it takes numbers only\nexport const f = Math.max('')",
  'src/runtime/off.ts': `export const f = () => {\n  // ${OXLINT}-next-line no-console, no-undef -- it prints\n  console.log(1)\n}`,
  'test/clean.test.ts': "test('f', () => { expect(f()).toBe(1) })",
}

type Planted = Record<string, readonly [text: string, rule: string]>

/** A file for each text, in each folder. */
function planted(
  folders: readonly string[],
  ...tables: readonly Readonly<Record<string, readonly string[]>>[]
): Planted {
  const texts = tables
    .flatMap((table) => Object.entries(table))
    .flatMap(([rule, list]) => list.map((text) => [text, rule] as const))
  return Object.fromEntries(
    folders.flatMap((folder) =>
      texts.map(([text, rule]) => [`${folder}/${text.replace(/\W+/g, '-')}.test.ts`, [text, rule]]),
    ),
  )
}

function textsOf(files: Planted): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([path, [text]]) => [path, `export const f = () => 1\n${text}\n`]),
  )
}

function rulesOf(files: Planted): Record<string, string[]> {
  return Object.fromEntries(Object.entries(files).map(([path, [, rule]]) => [path, [rule]]))
}

interface Report {
  readonly diagnostics: readonly { readonly code: string; readonly filename: string }[]
}

test('oxlint refuses what is impure behind the wall, another time than the clock of the Kafka driver, what silences the compiler, and tests that hold nothing or give up early', () => {
  const files = {
    ...planted(WALLED, IMPURE),
    ...planted(['src/connect/kafka'], TIMELESS),
    ...planted(['src/runtime'], ANYWHERE),
    ...planted(['test'], UNHELD),
  }
  const cwd = folderWith({ ...SETTINGS, ...textsOf(files), ...CLEAN })
  const tool = join(ROOT, 'node_modules/.bin/oxlint')
  const { stdout } = spawnSync(tool, ['--format', 'json', ...FOLDERS], { cwd, encoding: 'utf8' })
  const broken: Record<string, string[]> = {}
  const wanted = new Set(Object.values(files).map(([, rule]) => rule))
  for (const { code, filename } of (JSON.parse(stdout) as Report).diagnostics) {
    if (wanted.has(code)) (broken[filename] ??= []).push(code)
  }
  expect(broken).toEqual(rulesOf(files))
})

test('a lint rule is switched off for one line, by name and with a reason, and never behind the wall', () => {
  const files = {
    ...planted(['src/runtime', 'test'], SWITCHED_OFF),
    ...planted(WALLED, BEHIND_THE_WALL),
  }
  const cwd = folderWith({ ...textsOf(files), ...CLEAN })
  const check = [join(ROOT, '.config/lint-comments.js'), ...FOLDERS]
  const { stderr, status } = spawnSync('node', check, { cwd, encoding: 'utf8' })
  expect(status).toBe(1)
  const found = [...stderr.matchAll(/^(\S+):\d+ (\S+): /gm)]
  expect(Object.fromEntries(found.map(([, path, rule]) => [path, [rule]]))).toEqual(rulesOf(files))
})
