import { readFileSync } from 'node:fs'
import { type RunnerTask, type RunnerTestFile, TestRunner } from 'vitest'

/** What has more runs among the long tests. */
const PROPERTY = /\bfc\.assert\(|\bruns\(/

/**
 * Runs the tests of a file that are properties, by the text from the line of each to that of the
 * next one; all of them where a property stands before the first.
 */
export default class PropertyRunner extends TestRunner {
  onCollected(files: readonly RunnerTestFile[]): void {
    for (const file of files) {
      const lines = readFileSync(file.filepath, 'utf8').split('\n')
      const tests = testsIn(file)
      const starts = [...new Set(tests.map(lineOf)), lines.length].toSorted((a, b) => a - b)
      const isProperty = (from: number, until = 0) =>
        PROPERTY.test(lines.slice(from, until).join('\n'))
      if (isProperty(0, starts[0])) continue
      for (const test of tests) {
        const from = lineOf(test)
        if (!isProperty(from, starts[starts.indexOf(from) + 1])) test.mode = 'skip'
      }
    }
  }
}

function testsIn(task: RunnerTask): RunnerTask[] {
  return task.type === 'suite' ? task.tasks.flatMap(testsIn) : [task]
}

/** The number of the line on which a test begins, from 0 on. */
function lineOf({ location }: RunnerTask): number {
  return (location?.line ?? 1) - 1
}
