import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { TestModule, Vitest } from 'vitest/node'
import { ClosingReport, NO_DOCKER } from './closing-report.ts'
import { folderWith } from './support/folder.ts'
import { ROOT } from './support/paths.ts'

const NODE = `Node${process.versions.node.split('.')[0]}`

/** A run of one file by Vitest itself. */
function run(source: string, env: Readonly<Record<string, string>>) {
  const cwd = folderWith({
    'some.test.ts': `import { test } from 'vitest'\n${source}`,
    'vitest.config.ts': `import { ClosingReport } from ${JSON.stringify(join(ROOT, 'test/closing-report.ts'))}
export default { test: { reporters: [new ClosingReport()] } }`,
  })
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const failures = join(cwd, 'failures')
  const variables = { ...process.env, TIDEMARK_TEST_FAILURES: failures, ...env }
  const options = { cwd, encoding: 'utf8', env: variables } as const
  const { stdout, status } = spawnSync(process.execPath, [vitest, 'run'], options)
  const told = existsSync(failures) ? readFileSync(failures, 'utf8') : null
  return { lines: stdout.trimEnd().split('\n'), status, failures: told }
}

test('where Kafka is required a skipped test fails the run, whose last lines name it and why, and the counts', () => {
  const source = `test('runs', () => {})
test('has no broker', ({ skip }) => skip('KAFKA: NOT TESTED (no Java)'))`
  const { lines, status, failures } = run(source, {
    ...{ TIDEMARK_REQUIRE_KAFKA: '1', KAFKA_VERSION: '3.9.0' },
  })
  expect(lines.slice(-4)).toEqual([
    'Skipped, which fails this run (TIDEMARK_REQUIRE_KAFKA=1):',
    '  some.test.ts > has no broker: KAFKA: NOT TESTED (no Java)',
    '',
    `${NODE}, Kafka 3.9.0: 1 passed, 0 failed, 1 skipped`,
  ])
  expect(status).toBe(1)
  expect(failures).toBe(null)
})

test.each([
  ['throw new Error("no\\tanswer\\nyet")', 'some.test.ts\tasks\tno answer yet\n'],
  ['Promise.reject(new Error("nobody waits for it"))', null],
])('what failed is listed, unless it is more than tests: %s', (body, expected) => {
  const { status, failures } = run(`test('runs', () => {}); test('asks', () => { ${body} })`, {})
  expect({ status, failures }).toEqual({ status: 1, failures: expected })
})

/** The lines and the exit code of a run in which one test passed and another was skipped. */
function reported(skipped: { readonly note?: string }, testNamePattern?: RegExp) {
  const lines: unknown[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((line) => void lines.push(line))
  const { exitCode } = process
  const module = { relativeModuleId: 'some.test.ts', errors: () => [] }
  const tests = [{ state: 'passed' }, { state: 'skipped', ...skipped }].map((result) => ({
    ...{ module, fullName: `is ${result.state}`, result: () => result },
  }))
  const whole = { ...module, children: { allTests: () => tests } } as unknown as TestModule
  try {
    const report = new ClosingReport()
    report.onInit({ config: { testNamePattern } } as Vitest)
    report.onTestRunEnd([whole], [])
    return { text: lines.join('\n'), code: process.exitCode }
  } finally {
    log.mockRestore()
    process.exitCode = exitCode
  }
}

test('where Kafka is not required a skipped test is named, and fails nothing', () => {
  vi.stubEnv('TIDEMARK_REQUIRE_KAFKA', '')
  onTestFinished(() => void vi.unstubAllEnvs())
  const { text, code } = reported({ note: 'KAFKA: NOT TESTED (no Java)' })
  expect(text).toContain('\nSkipped:\n  some.test.ts > is skipped: KAFKA: NOT TESTED (no Java)\n\n')
  expect(code).toBeUndefined()
})

test('a test that was not asked for fails nothing, one that skips itself does', () => {
  vi.stubEnv('TIDEMARK_REQUIRE_KAFKA', '1')
  onTestFinished(() => void vi.unstubAllEnvs())
  const { text, code } = reported({}, /runs/)
  expect(code).toBeUndefined()
  expect(text).not.toContain('Skipped')
  expect(reported({ note: 'no Java' }, /runs/).code).toBe(1)
})

test('a test that needs Docker is named where Docker does not start, and fails nothing', () => {
  vi.stubEnv('TIDEMARK_REQUIRE_KAFKA', '1')
  onTestFinished(() => void vi.unstubAllEnvs())
  const { text, code } = reported({ note: `${NO_DOCKER} (dockerd is missing)` })
  expect(text).toContain('\nSkipped:\n  some.test.ts > is skipped: DOCKER: NOT TESTED (dockerd')
  expect(code).toBeUndefined()
})
