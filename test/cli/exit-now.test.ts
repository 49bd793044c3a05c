import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROCESS_TEST_MS, tidemark } from '../services/tidemark-in-test.ts'
import { ROOT } from '../support/paths.ts'

const SCRIPT = join(ROOT, 'test/cli/hangs.mjs')

/** How a process ends in which a model hangs, and what it has written. */
function ended(...args: string[]): Promise<object> {
  return new Promise((resolve) => {
    const given = ['--import', 'tsx', SCRIPT, ...args]
    execFile(process.execPath, given, { timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, stdout, stderr })
    })
  })
}

test('a process in which a model hangs ends with its exit code', async () => {
  const stdout = 'handlers ran for 1\n'
  expect(await ended('1', 'at-the-end')).toEqual({ code: 1, stdout, stderr: '' })
})

test('a process that never comes back to JavaScript is killed after its time', async () => {
  const given = ['--import', 'tsx', join(ROOT, 'test/cli/never-returns.ts')]
  const child = execFile(process.execPath, given, { timeout: 20_000, killSignal: 'SIGABRT' })
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL'])
})

test('a second signal ends it at once', async () => {
  expect(await ended('0', 'by-signals')).toMatchObject({
    code: 130,
    stdout: 'handlers ran for 130\n',
    stderr: expect.stringMatching(/^SIGTERM: finishing/),
  })
})

test('where a model hangs, all events have the score of its fallback, and the command ends with 0', {
  timeout: PROCESS_TEST_MS,
}, async () => {
  const payment = { paymentId: 'p', cardId: 'c', merchantId: 'm', category: 'x', country: 'DE' }
  const events = [5, 1e12, 7].map((amount, i) =>
    JSON.stringify({ ...payment, amount, paidAt: 1_767_225_600_000 + i }),
  )
  const topology = join(ROOT, 'test/fixtures/topologies/hanging-model.ts')
  const { code, stdout, stderr } = await tidemark(['dev', topology], { stdin: events.join('\n') })
  expect(code).toBe(0)
  expect(stderr).toContain('3 in = 3 scored + 0 skipped + 0 late + 0 dead')
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toContainEqual({
    amount: 1e12,
    score: -1,
    route: 'fallback:model-hung',
  })
})
