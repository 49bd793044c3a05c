import { TidemarkError } from '../kernel/errors.ts'
import type { Runner } from './runner.ts'
import type { Scores } from './scorer.ts'

// One row on which a model fails, such as an index that its embedding does not have, makes the
// whole batch fail.

/** Rows of a batch that has failed. */
export interface FailedBatch {
  /** Row-major float32[count, features]. */
  readonly rows: Float32Array
  readonly count: number
  /** Numbers that a run gives for each row. */
  readonly columns: number
}

/**
 * Halves a batch that has failed until the rows are found on which the model fails; the others are
 * scored. Takes at most 4·log₂(count) runs.
 *
 * @returns `null` when there are too many such rows for that
 */
export async function scoreApart(runner: Runner, batch: FailedBatch): Promise<Scores | null> {
  const { rows, count } = batch
  const width = rows.length / count
  const columns = Array.from({ length: batch.columns }, () => new Float64Array(count).fill(NaN))
  const failed = new Set<number>()
  const parts: Part[] = []
  const split = (part: Part) => {
    const { from, to } = part
    const middle = Math.ceil((from + to) / 2)
    if (to - from === 1) failed.add(from)
    else parts.push({ from: middle, to }, { from, to: middle })
  }
  split({ from: 0, to: count })
  for (let runs = Math.floor(4 * Math.log2(count)); parts.length > 0; runs--) {
    if (runs === 0) return null
    const part = parts.pop() as Part
    const { from, to } = part
    try {
      const scores = await runner.run(rows.subarray(from * width, to * width), to - from)
      for (const [i, column] of scores.entries()) columns[i]?.set(column, from)
    } catch (error) {
      if (error instanceof TidemarkError) throw error
      split(part)
    }
  }
  return { columns, failed }
}

/** Rows from one on, up to another, which is not among them. */
interface Part {
  readonly from: number
  readonly to: number
}
