import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/**
 * Runs a script of this folder that fetches what tests need. @returns what it prints @throws Error
 * with the last line it said
 */
export function fetchBy(script: string, ...args: readonly string[]): string {
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
  try {
    return execFileSync(join(import.meta.dirname, script), args, { encoding: 'utf8', stdio }).trim()
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1)
    throw new Error(said ?? (error as Error).message, { cause: error })
  }
}
