import { TidemarkError } from '../kernel/errors.ts'
import type { Runner } from './runner.ts'
import type { Scores } from './scorer.ts'

// One row on which a model fails, such as an index that its embedding does not have, fails the
// whole batch.

/** A batch that has failed. */
export interface FailedBatch {
  /** Row-major float32[count, features]. */
  readonly rows: Float32Array
  readonly count: number
  /** How many numbers a run returns for each row. */
  readonly columns: number
}

/**
 * Halves a failed batch until it has found the rows on which the model fails, and scores the
 * others. Makes at most 4·log₂(count) runs.
 *
 * @returns `null` when there are too many such rows for that many runs
 */
export async function scoreApart(runner: Runner, batch: FailedBatch): Promise<Scores | null> {
  const { rows, count } = batch
  const width = rows.length / count
  const columns = Array.from({ length: batch.columns }, () => new Float64Array(count).fill(NaN))
  const failed = new Set<number>()
  const ranges: RowRange[] = []
  const split = (range: RowRange) => {
    const { from, to } = range
    const middle = Math.ceil((from + to) / 2)
    if (to - from === 1) failed.add(from)
    else ranges.push({ from: middle, to }, { from, to: middle })
  }
  split({ from: 0, to: count })
  for (let runs = Math.floor(4 * Math.log2(count)); ranges.length > 0; runs--) {
    if (runs === 0) return null
    const range = ranges.pop() as RowRange
    const { from, to } = range
    try {
      const scores = await runner.run(rows.subarray(from * width, to * width), to - from)
      for (const [i, column] of scores.entries()) columns[i]?.set(column, from)
    } catch (error) {
      if (error instanceof TidemarkError) throw error
      split(range)
    }
  }
  return { columns, failed }
}

/** A half-open range of rows: `from` is included, `to` is not. */
interface RowRange {
  readonly from: number
  readonly to: number
}
