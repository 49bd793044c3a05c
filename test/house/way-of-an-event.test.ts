import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const rows = [
  ...read('docs/way-of-an-event.md').matchAll(/^\| (\d+) \| `(\w+)` \| `([\w/.-]+)` \|/gm),
].map(([, number, form, file]) => ({ number: Number(number), form, file: file as string }))

test('an event has at most 13 forms from fetch to EndTxn, each declared where the page says', () => {
  expect(rows.map(({ number }) => number)).toEqual(rows.map((_, i) => i + 1))
  expect(rows.length).toBeGreaterThan(0)
  expect(rows.length).toBeLessThanOrEqual(13)
  const missing = rows.filter(({ form, file }) => {
    return !new RegExp(`^export (interface|class|type) ${form}\\b`, 'm').test(read(file))
  })
  expect(missing).toEqual([])
})
