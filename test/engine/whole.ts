import type { ChunkResults } from '../../src/engine/engine.ts'
import type { EngineResult, ModelBatch, ReadyBatch } from '../../src/engine/events.ts'

/** A batch that has reached a model or a sink, with the rows of its model; at a sink none. */
type Arrived = ReadyBatch & Partial<ModelBatch> & { readonly rows: Float32Array }

/** All pieces of a chunk's results as one. */
export interface Whole extends EngineResult {
  readonly arrivals: readonly Arrived[]
}

export function whole(pieces: ChunkResults): Whole {
  const ready: ReadyBatch[] = []
  for (;;) {
    const { done, value } = pieces.next()
    if (done !== true) {
      ready.push(...value)
      continue
    }
    ready.push(...value.ready)
    const arrivals = ready.map((each) => ({ ...each, rows: new Float32Array(0), ...each.model }))
    return { ...value, ready, arrivals }
  }
}
