import type { ChunkResults } from '../../src/engine/engine.ts'
import type { EngineResult, ModelBatch, ReadyBatch } from '../../src/engine/events.ts'

/** A batch that has reached a model or a sink, with the rows of its model; at a sink none. */
type Arrived = ReadyBatch & Partial<ModelBatch> & { readonly rows: Float32Array }

/** All results of a chunk as one. */
export interface Whole extends EngineResult {
  readonly arrivals: readonly Arrived[]
}

export function whole(results: ChunkResults): Whole {
  const ready: ReadyBatch[] = []
  for (;;) {
    const { done, value } = results.next()
    if (done !== true) {
      if (value instanceof Promise) throw new Error('it must wait for a store')
      ready.push(...value)
      continue
    }
    ready.push(...value.ready)
    const arrivals = ready.map((each) => ({ ...each, rows: new Float32Array(0), ...each.model }))
    return { ...value, ready, arrivals }
  }
}
