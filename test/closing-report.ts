import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** Why tests of images are skipped begins with this: Docker does not start on every machine. */
export const NO_DOCKER = 'DOCKER: NOT TESTED'

/**
 * The last lines of a run: each test that was skipped with its reason, and the counts. A skipped
 * test has tested nothing, so under `TIDEMARK_REQUIRE_KAFKA=1` it fails the run, but for those that
 * need Docker. The file that `TIDEMARK_TEST_FAILURES` names gets a line for each failure, if nothing
 * else failed the run: file, test and message, with tabs between them.
 */
export class ClosingReport implements Reporter {
  #isFiltered = false

  onInit({ config }: Parameters<NonNullable<Reporter['onInit']>>[0]): void {
    this.#isFiltered = config.testNamePattern !== undefined
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const counts = { passed: 0, failed: brokenFiles(modules), skipped: 0 }
    for (const { state } of tests.map((test) => test.result())) {
      if (state !== 'pending') counts[state]++
    }
    const skips = tests.filter((test) => this.#isSkip(test))
    const isFailing =
      process.env['TIDEMARK_REQUIRE_KAFKA'] === '1' &&
      skips.some((test) => !noteOf(test)?.startsWith(NO_DOCKER))
    if (skips.length > 0) {
      console.log(
        `\nSkipped${isFailing ? ', which fails this run (TIDEMARK_REQUIRE_KAFKA=1)' : ''}:`,
      )
      for (const line of skips.map(lineOf)) console.log(`  ${line}`)
      if (isFailing) process.exitCode = 1
    }
    const file = process.env['TIDEMARK_TEST_FAILURES']
    if (file !== undefined && !isFailing && unhandledErrors.length === 0) {
      writeFileSync(file, modules.flatMap(failuresOf).join(''))
    }
    const { passed, failed, skipped } = counts
    console.log(`\n${runName()}: ${passed} passed, ${failed} failed, ${skipped} skipped`)
  }

  /** Tests left out by `-t` are not meant to run; a test that skips itself says why. */
  #isSkip(test: TestCase): boolean {
    const result = test.result()
    return result.state === 'skipped' && (!this.#isFiltered || result.note !== undefined)
  }
}

/** Files that could not be read or set up: their tests are missing from every other count. */
function brokenFiles(modules: readonly TestModule[]): number {
  return modules.filter((module) => module.errors().length > 0).length
}

function failuresOf(module: TestModule): string[] {
  const tests = [...module.children.allTests('failed')].map((test) => {
    return [test.fullName, test.result().errors?.[0]?.message]
  })
  return [...module.errors().map(({ message }) => ['', message]), ...tests].map(
    ([name, message = '']) => {
      const fields = [module.relativeModuleId, name, message]
      return `${fields.map((field) => field?.replace(/\s+/g, ' ').slice(0, 200)).join('\t')}\n`
    },
  )
}

function lineOf(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}: ${noteOf(test) ?? 'no reason given'}`
}

function noteOf(test: TestCase): string | undefined {
  const result = test.result()
  return result.state === 'skipped' ? result.note : undefined
}

/** `Node20`, and with `KAFKA_VERSION=3.9.0` `Node20, Kafka 3.9.0` */
function runName(): string {
  const node = `Node${process.versions.node.split('.')[0]}`
  const kafka = process.env['KAFKA_VERSION']
  return kafka === undefined ? node : `${node}, Kafka ${kafka}`
}
