import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { formOf } from '../../src/topology/function-form.ts'
import { folderWith } from '../support/folder.ts'

// One module of functions as they are written, loaded by three tools.

const LIBRARY = `export const hourOf = (ms: number): number => Math.floor(ms / 3_600_000)
`
const FUNCTIONS = `import { hourOf } from './library.ts'
interface Event { readonly amount: number | null; readonly at: number; readonly shop: 'a' | "b" }
const orNaN = (n: number | null) => n ?? NaN
export default [
  (e: Event): number => orNaN(e.amount),
  (e: Event) => { return hourOf(e.at) },
  function named(e: Event) {
    const inner = (n: number): number => n! * 2
    let sum = 0
    for (const { a, b: [c] = [1] } of [{ a: 1, b: [2] }]) sum += a + c
    try { sum += inner(e.amount as number) } catch (error) { sum = Number.NaN }
    return { sum, ['shop']: e.shop, text: \`\${e.shop}@\\n\${hourOf(e.at)}\` }
  },
  ({ amount, ...rest }: Event, [first] = [1]) => ({ amount, rest, first }) satisfies object,
  (e: Event) => (e.shop === 'a' ? /a+/i.test(e.shop) : 10n > BigInt(e.at)),
  { method(e: Event) { return this === undefined ? 60 * 1_000 : e.at } }.method,
  async (e: Event) => [await Promise.resolve(e.shop), undefined, Infinity, NaN, true, !e.at, 0.5, 1e21],
  class { static of(e: Event) { return e.at } }.of,
]
`

/** Bundles function-form.ts into a file in the folder. */
function formModule(folder: string): string {
  const outfile = join(folder, 'form.mjs')
  const entryPoints = [join(import.meta.dirname, '../../src/topology/function-form.ts')]
  buildSync({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node' })
  return outfile
}

/** The forms of the functions of a module, told by a process of its own. */
function formsIn(file: string, ...flags: string[]): string[] {
  const form = pathToFileURL(formModule(dirname(file)))
  const script = `const { formOf } = await import('${form.href}'); let { default: of } = await import('${pathToFileURL(file).href}');
    of = of.default ?? of; console.log(JSON.stringify(of.map(formOf)))`
  const told = execFileSync(process.execPath, [...flags, '--input-type=module', '-e', script])
  return JSON.parse(String(told)) as string[]
}

/** The module as `tsc` compiles it. */
function compiled(folder: string): string {
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 }
  const make = (name: string, source: string) => {
    const file = join(folder, `${name}.mjs`)
    writeFileSync(file, ts.transpileModule(source, { compilerOptions }).outputText)
    return file
  }
  make('library', LIBRARY)
  return make('functions', FUNCTIONS.replace('library.ts', 'library.mjs'))
}

/** The module and its import as `esbuild` bundles them. */
function bundled(folder: string, format: 'esm' | 'cjs'): string {
  const outfile = join(folder, `bundled.${format === 'esm' ? 'mjs' : 'cjs'}`)
  const keepNames = format === 'cjs'
  const how = { format, keepNames, bundle: true, platform: 'node' } as const
  buildSync({ entryPoints: [join(folder, 'functions.ts')], outfile, ...how })
  return outfile
}

test('a function is read alike, whether tsx, tsc or esbuild has loaded it', () => {
  const folder = folderWith({ 'functions.ts': FUNCTIONS, 'library.ts': LIBRARY })
  const forms = formsIn(compiled(folder))
  expect(forms).toHaveLength(8)
  expect(new Set(forms).size).toBe(8)
  const tsx = import.meta.resolve('tsx')
  expect(formsIn(join(folder, 'functions.ts'), '--import', tsx)).toEqual(forms)
  expect(formsIn(bundled(folder, 'esm'))).toEqual(forms)
  expect(formsIn(bundled(folder, 'cjs'))).toEqual(forms)
})

describe('two functions are of one form', () => {
  const same: [string, (...args: never[]) => unknown, (...args: never[]) => unknown][] = [
    [
      'whatever their parameters are called',
      (a: { n: 1 }, b: 1) => a.n + b,
      (x: { n: 1 }, y: 1) => x.n + y,
    ],
    [
      'whatever they call what they declare',
      (e: number) => {
        const twice = e * 2
        return twice + 1
      },
      (n: number) => {
        const x = n * 2
        return x + 1
      },
    ],
  ]
  test.each(same)('%s', (_, one, other) => {
    expect(formOf(one)).toBe(formOf(other))
  })

  const other: [string, (...args: never[]) => unknown, (...args: never[]) => unknown][] = [
    ['a field', (e: { a: 1 }) => e.a, (e: { b: 1 }) => e.b],
    ['a number', (e: number) => e + 1, (e: number) => e + 2],
    ['a text', () => 'a', () => 'b'],
    ['an operator', (e: number) => e > 1, (e: number) => e >= 1],
    ['a parameter for another', (a: 1, b: 2) => [a, b], (a: 1, b: 2) => [b, a]],
    ['what it calls', (e: number) => Math.ceil(e), (e: number) => Math.floor(e)],
    ['a template', (e: string) => `${e}@`, (e: string) => `${e}#`],
    ['a regular expression', (e: string) => /a/.test(e), (e: string) => /a/i.test(e)],
    ['optional chaining', (e: { a: { b: 1 } }) => e.a.b, (e: { a?: { b: 1 } }) => e.a?.b],
    ['a large number', () => 1n, () => 2n],
  ]
  test.each(other)('but not with another one of %s', (_, one, changed) => {
    expect(formOf(one)).not.toBe(formOf(changed))
  })

  test('nor where one takes what another declares outside', () => {
    const first = '(x) => [((y) => y)(x), y]'
    const second = '(x) => [((z) => z)(x), z]'
    const written = (text: string) => Object.assign(() => 0, { toString: () => text })
    expect(formOf(written(first))).not.toBe(formOf(written(second)))
  })
})

test('what cannot be parsed has its text for a form', () => {
  expect(formOf(Math.max)).toBe('functionmax(){[nativecode]}')
})
