import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { WORKER_OPTIONS } from '../../src/runtime/config.ts'
import { ROOT } from '../support/paths.ts'

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const page = read('docs/embedding.md')

test('docs/embedding.md shows the examples that are run, word for word and all of them', () => {
  const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] as string)
  const source = read('test/host/page/service.ts')
  expect(blocks.filter((block) => !source.includes(block))).toEqual([])
  expect(blocks).toHaveLength([...source.matchAll(/^export /gm)].length)
})

test('docs/embedding.md names every option', () => {
  const own = [...read('src/host/options.ts').matchAll(/^ {2}readonly (\w+)\?:/gm)]
  const names = [...WORKER_OPTIONS, ...own.map((match) => match[1])]
  expect(names.length).toBeGreaterThan(20)
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})
