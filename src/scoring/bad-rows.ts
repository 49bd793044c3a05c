import { TidemarkError } from '../kernel/errors.ts'
import { seeded } from '../kernel/random.ts'
import type { Runner } from './runner.ts'
import type { Scores } from './scorer.ts'

// One row on which a model fails, such as an index that its embedding does not have, fails the
// whole batch.

/** Of fewer rows, all of which fail, it is assumed that it is the rows, not the model. */
const LEAST_ROWS = 8

/** A batch that has failed. */
export interface FailedBatch {
  /** Row-major float32[count, features]. */
  readonly rows: Float32Array
  readonly count: number
  /** How many numbers a run returns for each row. */
  readonly columns: number
  /** Whether the model has scored other rows of the same request. */
  readonly isWorking: boolean
}

/**
 * Halves a failed batch until it has found the rows on which the model fails, however many they
 * are, and scores the others.
 *
 * @returns `null` when the model can score none of 4·log₂(count) rows, and no others are known that
 * it can score: it is the model that fails
 */
export async function scoreApart(
  runner: Pick<Runner, 'run'>,
  batch: FailedBatch,
): Promise<Scores | null> {
  const { rows, count } = batch
  const width = rows.length / count
  const columns = Array.from({ length: batch.columns }, () => new Float64Array(count).fill(NaN))
  const failed = new Set<number>()
  const run = ({ from, to }: RowRange) =>
    resultOf(runner.run(rows.subarray(from * width, to * width), to - from))

  const isWorking = batch.isWorking || count < LEAST_ROWS
  if (!isWorking && !(await canScoreOne(run, count))) return null
  const ranges = halvesOf({ from: 0, to: count })
  if (ranges.length === 0) failed.add(0)
  for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
    const scores = await run(range)
    if (scores === null && range.to - range.from === 1) failed.add(range.from)
    else if (scores === null) ranges.push(...halvesOf(range))
    else for (const [i, column] of scores.entries()) columns[i]?.set(column, range.from)
  }
  return { columns, failed }
}

/** Runs single rows, one from each part of the batch, until one can be scored. */
async function canScoreOne(
  run: (range: RowRange) => Promise<Float64Array[] | null>,
  count: number,
): Promise<boolean> {
  const most = Math.min(count, Math.floor(4 * Math.log2(count)))
  const random = seeded(1)
  for (let i = 0; i < most; i++) {
    // Bad rows may recur, so the distances vary.
    const from = Math.floor(((i + random()) * count) / most)
    if ((await run({ from, to: from + 1 })) !== null) return true
  }
  return false
}

/** A half-open range of rows: `from` is included, `to` is not. */
interface RowRange {
  readonly from: number
  readonly to: number
}

/** The second half, then the first. Empty for a single row. */
function halvesOf({ from, to }: RowRange): RowRange[] {
  if (to - from === 1) return []
  const middle = Math.ceil((from + to) / 2)
  return [
    { from: middle, to },
    { from, to: middle },
  ]
}

/** The scores; `null`: the run has failed because of its rows. */
async function resultOf(running: Promise<Float64Array[]>): Promise<Float64Array[] | null> {
  try {
    return await running
  } catch (error) {
    if (error instanceof TidemarkError) throw error
    return null
  }
}
