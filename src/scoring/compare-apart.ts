import { askApart } from './ask-apart.ts'
import type { TreeReading } from './tree-reading.ts'

/** The request to the comparing process. */
export interface Comparison {
  readonly bytes: Uint8Array
  readonly reading: TreeReading
}

/** The result of a comparison. */
export interface Compared {
  /** Why ONNX Runtime is to run the model; `null`: the trees give the same bits, and sooner. */
  readonly whyNot: string | null
}

/**
 * Compares a model's trees with ONNX Runtime in a separate process, in time and in bits.
 *
 * @throws Error when the two could not be compared
 */
export function compareApart({ bytes, reading }: Comparison): Promise<Compared> {
  const { input, outputs, features } = reading
  return askApart('tree-comparer', { bytes, reading: { input, outputs, features } })
}
