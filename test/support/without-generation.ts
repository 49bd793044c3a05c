import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from './paths.ts'

/**
 * Runs a module in a process that may generate no code. It is as if it lay at the root, and prints
 * one line of JSON, which is given.
 *
 * @throws Error if code could be generated there after all
 */
export function withoutGeneration(script: string): unknown {
  const proof = `try { new Function(''); process.exit(1) } catch {}`
  const flags = ['--disallow-code-generation-from-strings', '--conditions', 'tidemark-source']
  const tsx = ['--import', join(ROOT, 'node_modules/tsx/dist/loader.mjs')]
  const module = ['--input-type=module', '--eval', `${script}\n${proof}`]
  const said = execFileSync(process.execPath, [...flags, ...tsx, ...module], { cwd: ROOT })
  return JSON.parse(said.toString())
}
