import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

test('the runbook says what to do about every code that ends or holds up a worker', () => {
  const codes = read('src/kernel/errors.ts').matchAll(/^ {2}([A-Z][A-Z0-9_]+): '(.+)',$/gm)
  const ending = [...codes]
    .filter(([, , action]) => action !== 'dead-letter' && action !== 'rebuild')
    .map(([, code]) => code)
  expect(ending.length).toBeGreaterThan(30)
  const runbook = read('docs/runbook.md')
  expect(ending.filter((code) => !runbook.includes(`\`${code}\``))).toEqual([])
})
