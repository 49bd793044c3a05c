import { readFileSync } from 'node:fs'
import { type RunnerTask, type RunnerTestFile, TestRunner } from 'vitest'

/** Runs the tests of a file in which `fc.assert` stands, from its line to that of the next one. */
export default class PropertyRunner extends TestRunner {
  onCollected(files: readonly RunnerTestFile[]): void {
    for (const file of files) {
      const lines = readFileSync(file.filepath, 'utf8').split('\n')
      const tests = testsIn(file)
      const starts = [...new Set(tests.map(lineOf)), lines.length + 1].toSorted((a, b) => a - b)
      const hasProperty = (from: number, until: number) =>
        lines.slice(from - 1, until - 1).some((line) => line.includes('fc.assert('))
      if (hasProperty(1, starts[0] ?? 1)) throw new Error('fc.assert stands before the first test')
      for (const test of tests) {
        const from = lineOf(test)
        const until = starts[starts.indexOf(from) + 1] ?? from
        if (!hasProperty(from, until)) test.mode = 'skip'
      }
    }
  }
}

function testsIn(task: RunnerTask): RunnerTask[] {
  return task.type === 'suite' ? task.tasks.flatMap(testsIn) : [task]
}

function lineOf({ location }: RunnerTask): number {
  return location?.line ?? 0
}
