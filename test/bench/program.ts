import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Ending } from '../../src/cli/signals.ts'
import { ROOT } from '../support/paths.ts'

/** Of what a program wrote, how much is shown when it fails. */
const LAST_CHARACTERS = 2_000

/**
 * Runs a program of this folder in a process of its own, which is asked to end when the wish to end
 * comes. The JSON line that it printed.
 *
 * @throws Error with what it wrote last when it exits with another code than 0
 */
export async function tell([file, ...args]: readonly string[], ending: Ending): Promise<unknown> {
  const script = join(import.meta.dirname, file as string)
  // With the loader that this process has.
  const child = spawn(process.execPath, [...process.execArgv, script, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  void ending.promise.then(() => child.kill())
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  if (code === 0) return JSON.parse(stdout)
  const wrote = `${stderr}${stdout}`.trim().slice(-LAST_CHARACTERS)
  throw new Error(`${file} ended with ${code ?? signal}:\n${wrote}`)
}
