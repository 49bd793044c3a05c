import type { Runner } from './runner.ts'
import { type Cost, LARGEST_BATCH, type MeasuredCost, measureCost } from './warm-up.ts'

export interface MeasuredRunner extends Runner {
  /** Measures as {@link measureCost} does, without the order of {@link sortBy}. */
  measure(sample: Float32Array): Promise<MeasuredCost>
  /** Finds what {@link columnToSortBy} finds. */
  columnToSortBy(sample: Float32Array, cost: Cost): Promise<number | null>
  /** Sorts the rows of later runs. @param column `null`: keeps their order */
  sortBy(column: number | null): void
}

export class InlineRunner implements MeasuredRunner {
  readonly #plain: Runner
  #runner: Runner

  constructor(runner: Runner) {
    this.#plain = runner
    this.#runner = runner
  }

  run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    return this.#runner.run(rows, count)
  }

  measure(sample: Float32Array): Promise<MeasuredCost> {
    return measureCost(this.#plain, sample)
  }

  columnToSortBy(sample: Float32Array, cost: Cost): Promise<number | null> {
    return columnToSortBy(this.#plain, sample, cost)
  }

  sortBy(column: number | null): void {
    this.#runner = sortedBy(column, this.#plain)
  }

  close(): Promise<void> {
    return this.#plain.close()
  }
}

// A tree model is faster when similar rows follow one another, because the processor predicts the
// branches better. The scores are the same bits. With rows sorted by the best column, a payment
// costs the shipped card model 1.1 µs instead of 1.8 (2,048 rows; with 8 rows 2.8 instead of 3.1),
// of which sorting takes 0.1. A neural network has no branches, so sorting only costs time.

/** How long a trial of all columns may take, ms. */
const TRIAL_MS = 250
/** Rows of a trial run, and runs of each column: enough that the same columns win each time. */
const TRIAL_ROWS = 256
const ROUNDS = 4
/** Sorted rows must take less than this fraction of the unsorted time. */
const WORTHWHILE = 0.95

export class SortedRunner implements Runner {
  readonly #runner: Runner
  readonly #column: number

  constructor(runner: Runner, column: number) {
    this.#runner = runner
    this.#column = column
  }

  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    const order = rowOrder(rows, count, this.#column)
    const sorted = await this.#runner.run(inOrder(rows, order), count)
    return sorted.map((scores) => backInPlace(scores, order))
  }

  close(): Promise<void> {
    return this.#runner.close()
  }
}

export function sortedBy(column: number | null, runner: Runner): Runner {
  return column === null ? runner : new SortedRunner(runner, column)
}

/**
 * Finds by trial the column that makes a model fastest when rows are sorted by it; `null` when none
 * saves a twentieth. Only the first columns of wide or slow models are tried, or none.
 */
export async function columnToSortBy(
  runner: Runner,
  sample: Float32Array,
  cost: Cost,
): Promise<number | null> {
  const width = sample.length / LARGEST_BATCH
  const batchMs = cost.baseMs + cost.rowMs * TRIAL_ROWS
  const columns = Math.min(width, Math.floor(TRIAL_MS / (ROUNDS * batchMs)))
  if (columns === 0) return null
  const plain = { runner, fastestMs: Number.POSITIVE_INFINITY }
  const sorted = Array.from({ length: columns }, (_, column) => {
    return { column, runner: new SortedRunner(runner, column), fastestMs: Number.POSITIVE_INFINITY }
  })
  for (let round = 0; round < ROUNDS; round++) {
    const from = round * TRIAL_ROWS * width
    const rows = sample.subarray(from, from + TRIAL_ROWS * width)
    // Interleaved, so that other load on the machine affects all of them.
    for (const trial of [plain, ...sorted]) {
      const start = performance.now()
      await trial.runner.run(rows, TRIAL_ROWS)
      trial.fastestMs = Math.min(trial.fastestMs, performance.now() - start)
    }
  }
  const [best] = sorted.toSorted((a, b) => a.fastestMs - b.fastestMs)
  return best !== undefined && best.fastestMs < WORTHWHILE * plain.fastestMs ? best.column : null
}

/** Validates a cached column; `null`: it is not one. */
export function readColumn(kept: unknown): { readonly column: number | null } | null {
  const { column } = (kept ?? {}) as { column?: number | null }
  return column === null || Number.isInteger(column) ? { column: column as number | null } : null
}

function rowOrder(rows: Float32Array, count: number, column: number): Uint32Array {
  const bits = new Uint32Array(rows.buffer, rows.byteOffset, rows.length)
  const width = rows.length / count
  // The value, then the index, packed into one float64 (32 and at most 21 bits): typed arrays sort
  // numbers without calling a comparator.
  const keys = new Float64Array(count)
  for (let row = 0; row < count; row++) {
    keys[row] = ascending(bits[row * width + column] as number) * count + row
  }
  keys.sort()
  const order = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const key = keys[i] as number
    order[i] = key - Math.floor(key / count) * count
  }
  return order
}

/**
 * The bits of a float32 as an unsigned integer in the same order; NaN sorts before or after all.
 */
function ascending(bits: number): number {
  return (bits ^ ((bits >> 31) | 0x80000000)) >>> 0
}

function inOrder(rows: Float32Array, order: Uint32Array): Float32Array {
  const width = rows.length / order.length
  const sorted = new Float32Array(rows.length)
  for (let i = 0; i < order.length; i++) {
    const from = (order[i] as number) * width
    const to = i * width
    for (let c = 0; c < width; c++) sorted[to + c] = rows[from + c] as number
  }
  return sorted
}

function backInPlace(sorted: Float64Array, order: Uint32Array): Float64Array {
  const scores = new Float64Array(sorted.length)
  for (let i = 0; i < order.length; i++) scores[order[i] as number] = sorted[i] as number
  return scores
}
