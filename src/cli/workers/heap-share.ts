import { getHeapStatistics } from 'node:v8'
import { memoryOfMachine } from '../../runtime/machine-limits.ts'

const MEBIBYTE = 2 ** 20
/** Below that a worker can hardly load its topologies. */
const LEAST_MIB = 256
const LIMIT_FLAG = /--max[-_](?:old[-_]space|heap)[-_]size/

/**
 * Node's flags for one of several workers, so that together they get by with the memory that there
 * is: each has the heap that Node takes on a machine with its share, which is half of the memory up
 * to a limit. Who has said how large a heap may be is obeyed.
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
