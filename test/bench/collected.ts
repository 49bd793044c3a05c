import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Memory of a process after a garbage collection, bytes. */
interface MemoryAfterGc {
  readonly heap: number
  /** Buffers and typed arrays. */
  readonly outside: number
  readonly rss: number
}

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Collects garbage and returns the remaining memory. */
export function collected(): MemoryAfterGc {
  // Memory outside the heap that one collection frees is subtracted by the next one.
  gc()
  gc()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed, outside: external, rss }
}
