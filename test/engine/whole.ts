import type { ChunkResults } from '../../src/engine/engine.ts'
import type { Arrivals, EngineResult } from '../../src/engine/events.ts'

/** All pieces of a chunk's results as one. */
export function whole(pieces: ChunkResults): EngineResult {
  const arrivals: Arrivals[] = []
  for (;;) {
    const { done, value } = pieces.next()
    if (done !== true) arrivals.push(...value)
    else return { ...value, arrivals: [...arrivals, ...value.arrivals] }
  }
}
