import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'

// docs/testing.md shows code that is run: every block stands word for word in a file that is tested
// here.

const pageFolder = 'test/testing/page'
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const testFile = read('topologies/starter/topology.test.ts.txt')
const page = read('docs/testing.md')
const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] as string)
const files = [
  ...readdirSync(join(ROOT, pageFolder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(pageFolder, name)),
  'test/support/driver.ts',
  'test/topologies/payment.ts',
]
const tested = [...files.map(read), testFile]

test.each(blocks.map((block) => [block.split('\n')[0], block] as const))(
  'the block "%s" is tested as it stands',
  (_, block) => {
    expect(tested.some((text) => text.includes(block))).toBe(true)
  },
)

test('every example that is tested is on the page', () => {
  const titles = tested.flatMap((text) => [...text.matchAll(/^test\('(.*)', /gm)].map((m) => m[1]))
  expect(titles.length).toBeGreaterThan(5)
  expect(titles.filter((title) => !page.includes(`test('${title}'`))).toEqual([])
})

test('the test for node:test is the one that init makes', () => {
  expect(blocks).toContain(testFile)
})
