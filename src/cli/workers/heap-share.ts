import { getHeapStatistics } from 'node:v8'
import { memoryOfMachine } from '../../runtime/machine-limits.ts'

const MEBIBYTE = 2 ** 20
/** With less than this a worker can hardly load its topologies. */
const LEAST_MIB = 256
const LIMIT_FLAG = /--max[-_](?:old[-_]space|heap)[-_]size/

/**
 * Node's heap flags for one of several workers, so that together they fit into the memory. Each
 * gets the heap that Node would use on a machine with the worker's share of the memory: half of it,
 * up to a limit. If the user has set a heap size, it is left as it is.
 */
export function heapFlags(
  workers: number,
  {
    given = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''],
    memory = memoryOfMachine(),
    limit = getHeapStatistics().heap_size_limit,
  } = {},
): string[] {
  const share = Math.floor(memory / 2 / workers)
  if (share >= limit || given.some((flag) => LIMIT_FLAG.test(flag))) return []
  return [`--max-old-space-size=${Math.max(LEAST_MIB, Math.floor(share / MEBIBYTE))}`]
}
