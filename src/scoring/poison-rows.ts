import { TidemarkError } from '../kernel/errors.ts'
import { seeded } from '../kernel/random.ts'
import type { Runner } from './runner.ts'
import type { Scores } from './scorer.ts'

// A poison row, on which a model fails, fails its whole batch, as an index that an embedding lacks.

/** With fewer rows, all of which fail, the rows are at fault and not the model. */
const FEW_ROWS = 8

interface FailedBatch {
  readonly rows: Float32Array
  readonly count: number
  readonly columns: number
  /** Whether the model has scored other rows of the same request. */
  readonly isWorking: boolean
}

/** Finds poison rows by halving. @returns `null`: 4·log₂(count) lone rows fail: it is the model */
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

  const isWorking = batch.isWorking || count < FEW_ROWS
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

async function canScoreOne(
  run: (range: RowRange) => Promise<Float64Array[] | null>,
  count: number,
): Promise<boolean> {
  const most = Math.min(count, Math.floor(4 * Math.log2(count)))
  const random = seeded(1)
  for (let i = 0; i < most; i++) {
    // Distances vary, because poison rows may recur at regular ones.
    const from = Math.floor(((i + random()) * count) / most)
    if ((await run({ from, to: from + 1 })) !== null) return true
  }
  return false
}

interface RowRange {
  readonly from: number
  readonly to: number
}

/** The second half, then the first; empty for a single row. */
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

/** The smallest limit: in 32 rows a poison row is found in 10 runs. */
const LEAST_BATCH = 32

/**
 * All rows wait for the search for poison: a batch with some halves the limit, full batches
 * without one raise it (AIMD: Crankshaw et al., Clipper, NSDI 2017).
 */
export class BatchLimit {
  #rows = Number.POSITIVE_INFINITY

  get rows(): number {
    return this.#rows
  }

  /** @param most the largest batch at that time */
  failed(most: number): void {
    this.#rows = Math.max(LEAST_BATCH, Math.floor(most / 2))
  }

  /** Removes the limit: the model scored no row of a batch, and may score some of a larger one. */
  lift(): void {
    this.#rows = Number.POSITIVE_INFINITY
  }

  scored(count: number): void {
    if (count >= this.#rows) this.#rows += LEAST_BATCH
  }
}
