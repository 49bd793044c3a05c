import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROCESS_TEST_MS } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

/** What the linter finds in a topology of this repository that has these lines, by rule and line. */
function findings(lines: readonly string[]): string[] {
  const cwd = folderWith({
    '.oxlintrc.json': readFileSync(join(ROOT, '.oxlintrc.json')),
    'topologies/mine.ts': lines.join('\n'),
  })
  const args = ['--format', 'json', 'topologies']
  try {
    execFileSync(join(ROOT, 'node_modules/.bin/oxlint'), args, { cwd, encoding: 'utf8' })
    return []
  } catch (error) {
    const { diagnostics } = JSON.parse((error as { stdout: string }).stdout) as {
      diagnostics: { code: string; labels: { span: { line: number } }[] }[]
    }
    return diagnostics.map(({ code, labels }) => `${labels[0]?.span.line} ${code}`).toSorted()
  }
}

test('lint refuses clock, chance and what is outside of the event in a topology, and nothing pure', {
  timeout: PROCESS_TEST_MS,
}, () => {
  const impure = [
    'export const a = () => Date.now()',
    'export const b = () => new Date()',
    'export const c = () => performance.now()',
    'export const d = () => Math.random()',
    'export const e = () => crypto.randomUUID()',
    'export const f = () => fetch("x")',
    'export const g = () => process.pid',
    'export const h = () => setTimeout(a, 1)',
    'export const i = () => globalThis.setInterval(a, 1)',
  ]
  const found = findings(["import { randomUUID } from 'node:crypto'", ...impure, 'randomUUID()'])
  expect(found.map((finding) => Number.parseInt(finding, 10))).toEqual([
    1, 10, 2, 3, 4, 5, 6, 7, 8, 9,
  ])
  expect(
    findings(['export const a = (e: { at: number }) => Math.floor(e.at) // Date.now()']),
  ).toEqual([])
})
