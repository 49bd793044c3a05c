import { join } from 'node:path'
import type { RunnerTestFile } from 'vitest'
import { expect, test } from 'vitest'
import PropertyRunner from './property-runner.ts'
import { folderWith } from './support/folder.ts'

/** Names of the tests that run, each of which is a line of the file from its name on. */
function namesOfRun(...lines: string[]): string[] {
  const filepath = join(folderWith({ 'some.test.ts': lines.join('\n') }), 'some.test.ts')
  const tasks = lines.flatMap((text, i) => {
    const name = /^ *test (\w+)/.exec(text)?.[1]
    return name === undefined
      ? []
      : [{ name, type: 'test', mode: 'run', location: { line: i + 1 } }]
  })
  const suite = { type: 'suite', tasks }
  const file = { filepath, type: 'suite', tasks: [suite] } as unknown as RunnerTestFile
  PropertyRunner.prototype.onCollected([file])
  return tasks.flatMap(({ name, mode }) => (mode === 'run' ? [name] : []))
}

test('of the tests of a file those run in which fc.assert or runs stands, or all where it stands before', () => {
  const body = [
    '',
    'test plain',
    'test asserts',
    '  fc.assert(x)',
    'test other',
    'test loops runs(9)',
  ]
  expect(namesOfRun(...body)).toEqual(['asserts', 'loops'])
  expect(namesOfRun('const COUNT = runs(9)', ...body)).toEqual([
    ...['plain', 'asserts', 'other', 'loops'],
  ])
})
