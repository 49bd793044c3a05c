import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folderWith } from './support/folder.ts'
import { ROOT } from './support/paths.ts'

const TESTS = `import { test } from 'vitest'
test('runs', () => {})
test('has no broker', ({ skip }) => skip('KAFKA: NOT TESTED (no Java)'))
`

/** Runs those tests with the closing report alone. */
function run(args: readonly string[], env: Readonly<Record<string, string>>) {
  const folder = folderWith({
    'some.test.ts': TESTS,
    'vitest.config.ts': `import { ClosingReport } from ${JSON.stringify(join(ROOT, 'test/closing-report.ts'))}
export default { test: { reporters: [new ClosingReport()] } }`,
  })
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const { KAFKA_VERSION: _, ...rest } = process.env
  const { stdout, status } = spawnSync(process.execPath, [vitest, 'run', ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...rest, TIDEMARK_REQUIRE_KAFKA: '', ...env },
  })
  return { lines: stdout.trimEnd().split('\n'), status }
}

const NODE = `Node${process.versions.node.split('.')[0]}`

test('the last lines name what was skipped and why, and the counts', () => {
  const { lines, status } = run([], {})
  expect(lines.slice(-4)).toEqual([
    'Skipped:',
    '  some.test.ts > has no broker: KAFKA: NOT TESTED (no Java)',
    '',
    `${NODE}: 1 passed, 0 failed, 1 skipped`,
  ])
  expect(status).toBe(0)
})

test('where Kafka is required a skipped test fails the run; one that was not asked for does not', () => {
  const env = { TIDEMARK_REQUIRE_KAFKA: '1', KAFKA_VERSION: '3.9.0' }
  const all = run([], env)
  expect(all.lines.at(-1)).toBe(`${NODE}, Kafka 3.9.0: 1 passed, 0 failed, 1 skipped`)
  expect(all.status).toBe(1)
  expect(run(['-t', 'runs'], env).status).toBe(0)
})
