import type { Running } from './tidemark.ts'

/**
 * The processes that the workers of a parent have had, in the order in which they were prepared.
 * Reads a log in JSON.
 */
export function workerPids(run: Running, worker?: number): number[] {
  return run
    .stderr()
    .split('\n')
    .filter((line) => line.includes('"msg":"worker is prepared"'))
    .map((line) => JSON.parse(line) as { readonly worker: number; readonly pid: number })
    .filter((line) => worker === undefined || line.worker === worker)
    .map(({ pid }) => pid)
}

/** Is there such a process? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
