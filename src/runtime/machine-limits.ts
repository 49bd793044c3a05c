import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { KEY_HEAP_BYTES, type StateLimits } from '../engine/store/state-limits.ts'

/** Half of the memory for the windows of all workers, and keys for half of a worker's heap. */
export function limitsOfMachine(workers = 1): StateLimits {
  const { heap_size_limit: heap } = getHeapStatistics()
  return {
    maxKeys: Math.floor(heap / 2 / KEY_HEAP_BYTES),
    maxBytes: Math.floor(memoryOfMachine() / 2 / workers),
  }
}

/** Memory for the tables of a worker, bytes: a quarter of Node's heap. */
export function maxTableBytesOfMachine(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / 4)
}

/** Memory of this machine or container, bytes. */
export function memoryOfMachine(): number {
  // 0 where only the machine is a limit; a container without a limit may report an absurd number.
  const constrained = process.constrainedMemory()
  return Math.min(totalmem(), constrained > 0 ? constrained : Number.POSITIVE_INFINITY)
}
