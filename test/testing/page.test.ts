import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { testFile } from '../../src/cli/init-files.ts'
import { PROCESS_TEST_MS } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// docs/testing.md shows code that is run: every block stands word for word in a file that is tested
// here.

const run = promisify(execFile)
const pageFolder = 'test/testing/page'
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
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
  expect(titles.length).toBeGreaterThan(10)
  expect(titles.filter((title) => !page.includes(`test('${title}'`))).toEqual([])
})

test('the folder that init makes has a test for node:test that is on the page, and it passes', {
  timeout: 2 * PROCESS_TEST_MS,
}, async () => {
  const folder = join(folderWith({}), 'mine')
  await run(process.execPath, [join(ROOT, 'src/cli/bin.js'), 'init', folder])
  expect(blocks).toContain(readFileSync(join(folder, 'topology.test.ts'), 'utf8'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/tidemark'))
  for (const name of ['.bin', '@types', 'tsx', 'zod']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  }
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await run('npm', ['test'], { cwd: folder, env })
  expect(stdout).toMatch(/^\S+ pass 2$/m)
})
