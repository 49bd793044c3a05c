import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const page = read('docs/embedding.md')
const options = read('src/host/options.ts')

test('docs/embedding.md shows the examples that are run, word for word and all of them', () => {
  const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] as string)
  const source = read('test/host/page/service.ts')
  expect(blocks.filter((block) => !source.includes(block))).toEqual([])
  expect(blocks).toHaveLength([...source.matchAll(/^export /gm)].length)
})

test('docs/embedding.md names every option', () => {
  const names = [...options.matchAll(/^ {2}readonly (\w+)\?:/gm)].map((match) => match[1])
  expect(names.length).toBeGreaterThan(20)
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})
