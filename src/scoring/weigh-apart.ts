import { askApart } from './ask-apart.ts'
import type { TreeReading } from './tree-reading.ts'
import { LARGEST_BATCH } from './warm-up.ts'

/** The request to the weighing process. */
export interface Weighing {
  readonly bytes: Uint8Array
  readonly reading: TreeReading
  /** Whether it is computed from its trees. */
  readonly isTrees: boolean
  /** The largest batch. */
  readonly rows: number
}

/** The result of a weighing. */
export interface Weight {
  /** By how much the memory of a process grows that loads and runs it. */
  readonly bytes: number
}

/**
 * Loads a model in a separate process, which is not disturbed by other models, and runs its largest
 * batch.
 *
 * @throws Error when it could not be weighed
 */
export function weighApart(weighing: Omit<Weighing, 'rows'>): Promise<Weight> {
  const { input, outputs, features } = weighing.reading
  const reading = { input, outputs, features }
  return askApart('model-weigher', { ...weighing, reading, rows: LARGEST_BATCH })
}

/** Validates a cached weight; `null`: it is not one. */
export function readWeight(kept: unknown): Weight | null {
  const { bytes } = (kept ?? {}) as Partial<Weight>
  return Number.isInteger(bytes) ? { bytes: bytes as number } : null
}
