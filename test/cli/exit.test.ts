import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { untilSignal } from '../../src/cli/exit.ts'
import { sayTo } from '../../src/cli/print.ts'
import { tidemark } from '../services/tidemark-in-test.ts'
import { ROOT } from '../support/paths.ts'

/** The codes that the process is told to exit with. */
function exits(): (string | number | null | undefined)[] {
  const codes: (string | number | null | undefined)[] = []
  const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
    codes.push(code)
    return undefined as never
  })
  onTestFinished(() => exit.mockRestore())
  return codes
}

/** What is told on stderr. */
function toldOnStderr(): string[] {
  const told: string[] = []
  sayTo({ write: (text) => told.push(text) })
  onTestFinished(() => sayTo(process.stderr))
  return told
}

test('who asks once is told that what is in flight is finished', async () => {
  const codes = exits()
  const told = toldOnStderr()
  const ending = untilSignal()
  onTestFinished(() => ending.dispose())
  expect(ending.signal.aborted).toBe(false)
  process.emit('SIGTERM', 'SIGTERM')
  await ending.promise
  expect(ending.signal.aborted).toBe(true)
  expect(told).toEqual(['SIGTERM: finishing what is in flight; send it again to exit at once\n'])
  expect(codes).toEqual([])
})

test('whoever asks twice gets 130 at once', () => {
  const codes = exits()
  toldOnStderr()
  const ending = untilSignal()
  onTestFinished(() => ending.dispose())
  process.emit('SIGINT', 'SIGINT')
  process.emit('SIGTERM', 'SIGTERM')
  expect(codes).toEqual([130])
})

const SCRIPT = join(ROOT, 'test/cli/hangs.mjs')

/** How a process ends in which a model hangs, and what it has written. */
function ended(...args: string[]): Promise<object> {
  return new Promise((resolve) => {
    const given = ['--import', 'tsx', SCRIPT, ...args]
    execFile(process.execPath, given, { timeout: 200_000 }, (error, stdout, stderr) => {
      resolve({ signal: error?.signal ?? null, stdout, stderr })
    })
  })
}

test('a process in which a model hangs is killed, and its last line has the exit code', async () => {
  expect(await ended('1', 'at-the-end')).toEqual({
    signal: 'SIGKILL',
    stdout: 'handlers ran for 1\n',
    stderr: '! killed, because the run of a model hangs; the exit code would be 1\n',
  })
})

test('the last line has the code of the error that ends it', async () => {
  expect(await ended('MODEL_LOST', 'by-an-error')).toEqual({
    signal: 'SIGKILL',
    stdout: 'handlers ran for 1\n',
    stderr: '✗ MODEL_LOST  killed, because the run of a model hangs; the exit code would be 1\n',
  })
})

test('a second signal ends it at once', async () => {
  expect(await ended('0', 'by-signals')).toMatchObject({
    signal: 'SIGKILL',
    stdout: 'handlers ran for 130\n',
    stderr: expect.stringMatching(/^SIGTERM: finishing.*\n! killed, .* would be 130\n$/),
  })
})

test('where a model hangs, all events have the score of its fallback, and the command would end with 0', async () => {
  const payment = { paymentId: 'p', cardId: 'c', merchantId: 'm', category: 'x', country: 'DE' }
  const events = [5, 1e12, 7].map((amount, i) =>
    JSON.stringify({ ...payment, amount, paidAt: 1_767_225_600_000 + i }),
  )
  const topology = join(ROOT, 'test/fixtures/topologies/hanging-model.ts')
  const { signal, stdout, stderr } = await tidemark(['dev', topology], { stdin: events.join('\n') })
  expect(signal).toBe('SIGKILL')
  expect(stderr).toContain('3 in = 3 scored + 0 skipped + 0 late + 0 dead')
  expect(stderr).toMatch(/! killed, .*; the exit code would be 0\n$/)
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
