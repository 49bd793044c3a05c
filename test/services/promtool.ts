import { spawnSync } from 'node:child_process'
import { inject, test } from 'vitest'

// Prometheus' own checker of what /metrics answers.

declare module 'vitest' {
  interface ProvidedContext {
    /** Where it is; `null` when it is not to be had, or none of the tests uses it. */
    promtool: string | null
  }
}

/** Returns the faults that promtool finds in metrics, a line each. */
type Check = (metrics: string) => readonly string[]

const tool = inject('promtool')
const { promtool: why } = inject('untested')

/** A test of what Prometheus thinks of metrics; without promtool it is reported as skipped. */
export function promtoolTest(name: string, fn: (check: Check) => Promise<void>): void {
  test(`${name} (promtool)`, async ({ skip }) => {
    const path = tool ?? skip(why)
    await fn((metrics) => {
      const { status, stderr, error } = spawnSync(path, ['check', 'metrics'], {
        input: metrics,
        encoding: 'utf8',
      })
      if (error !== undefined) throw error
      const lines = stderr.split('\n').filter((line) => line !== '')
      return status === 0 ? lines : [`ended with ${status}`, ...lines]
    })
  })
}
