import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { KEY_HEAP_BYTES, type StateLimits } from '../engine/state-limits.ts'

/** What windows may hold on this machine: half of its memory, or of the container's, and keys for half of the heap. */
export function limitsOfMachine(): StateLimits {
  // 0 where nothing but the machine is a limit; a container without one may tell an absurd number.
  const constrained = process.constrainedMemory()
  const memory = Math.min(totalmem(), constrained > 0 ? constrained : Number.POSITIVE_INFINITY)
  const { heap_size_limit: heap } = getHeapStatistics()
  return {
    maxKeys: Math.floor(heap / 2 / KEY_HEAP_BYTES),
    maxBytes: Math.floor(memory / 2),
  }
}
