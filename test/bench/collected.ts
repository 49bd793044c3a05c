import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What a process holds after a collection, bytes. */
interface Held {
  readonly heap: number
  /** Buffers and typed arrays. */
  readonly outside: number
  readonly rss: number
}

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

export function collected(): Held {
  // What a collection frees outside the heap is counted out by the next one.
  gc()
  gc()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed, outside: external, rss }
}
