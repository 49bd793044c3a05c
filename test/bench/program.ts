import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { StopRequest } from '../../src/cli/exit.ts'
import { ROOT } from '../support/paths.ts'

/** How much of a program's output is shown when it fails. */
const LAST_CHARACTERS = 2_000

/**
 * Runs a program of this folder in a separate process, which is terminated when `ending` resolves.
 * Returns the parsed JSON line that it prints.
 *
 * @throws Error with its last output when it exits with a code other than 0
 */
export async function tell(
  [file, ...args]: readonly string[],
  ending: StopRequest,
): Promise<unknown> {
  const script = join(import.meta.dirname, file as string)
  // With the loader of this process.
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
