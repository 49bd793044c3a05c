import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
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

test.each([0, 1, 130])('a process in which a model hangs ends with exit code %i', async (code) => {
  const stdout = `handlers ran for ${code}\n`
  expect(await ended(String(code), 'at-the-end')).toEqual({ code, stdout, stderr: '' })
})

test('a second signal ends it at once', async () => {
  expect(await ended('0', 'by-signals')).toMatchObject({
    code: 130,
    stdout: 'handlers ran for 130\n',
    stderr: expect.stringMatching(/^SIGTERM: finishing/),
  })
})
