import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { dirname } from 'node:path'

// Node: this package's version, folders, functions from source text, containers, loopback addresses.

export function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  return version
}

/**
 * Creates a folder and those around it. Node's `recursive` never returns where a file system denies
 * that a folder exists and does not let it be created, as `/proc` does (Node 20 to 24).
 * @throws Error the answer of the file system
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeFolder(dirname(path))
    mkdirSync(path)
  }
}

/** Writes a file atomically, because another process may be reading it. Creates its folder. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const aside = `${path}-${process.pid}`
  makeFolder(dirname(path))
  await writeFile(aside, content)
  await rename(aside, path)
}

/**
 * Compiles a function from source text. `null`: code generation is off
 * (`--disallow-code-generation-from-strings`).
 */
export function generated(parameters: readonly string[], body: string): unknown {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the source contains only numbers and names of our own
    return new Function(...parameters, body)
  } catch (thrown) {
    if (thrown instanceof EvalError) return null
    throw thrown
  }
}

/** Whether an address is reachable from this machine only. An IPv6 address may be in brackets. */
export function isLoopback(host: string): boolean {
  if (['localhost', '::1', '[::1]'].includes(host)) return true
  return isIPv4(host) && host.startsWith('127.')
}

/** Whether this process is in a container. */
export function isInContainer(): boolean {
  const marks = ['/.dockerenv', '/run/.containerenv']
  return process.env['KUBERNETES_SERVICE_HOST'] !== undefined || marks.some(existsSync)
}
