import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from './paths.ts'

/**
 * Runs a module in a process that must not generate code from strings. Imports are relative to the
 * root. Returns the one line of JSON that the module prints.
 *
 * @throws Error if code generation is possible there after all
 */
export function withoutGeneration(script: string): unknown {
  const proof = `try { new Function(''); process.exit(1) } catch {}`
  const flags = ['--disallow-code-generation-from-strings', '--conditions', 'tidemark-source']
  const tsx = ['--import', join(ROOT, 'node_modules/tsx/dist/loader.mjs')]
  const module = ['--input-type=module', '--eval', `${script}\n${proof}`]
  const said = execFileSync(process.execPath, [...flags, ...tsx, ...module], { cwd: ROOT })
  return JSON.parse(said.toString())
}
