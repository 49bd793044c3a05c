import { seeded } from '../kernel/random.ts'
import type { Golden } from './golden.ts'
import { type Cost, costMs, type MeasuredCost, type Runner } from './runner.ts'

/** Beyond so many rows the cost per row no longer falls. */
export const LARGEST_BATCH = 2048

export const SIZES = [1, 8, 64, 256]
const RUNS = 5
/** ms; after it no run of a size starts, nor a larger size if its fastest took longer. */
const SIZE_MS = 20
const LEAST_MS = 1e-3
/** A batch that takes this many times its CPU time says that the machine was busy. */
const DISTURBED = 1.5
/** Sizes of the batches in which rows run again that first ran together. */
const PIECES = [1, 2, 3, 5, 7, 1, 2, 3, 5, 7, 13, 15]

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/**
 * The fastest of several runs, with different rows in each: the branch predictor learns repeated
 * rows, which makes trees look up to four times as fast. `sample`: row-major float32[LARGEST_BATCH,
 * features].
 */
export async function measureCost(runner: Runner, sample: Float32Array): Promise<MeasuredCost> {
  const batchOf = sampleBatches(sample)
  const points: { readonly cpu: Point[]; readonly elapsed: Point[] } = { cpu: [], elapsed: [] }
  for (const rows of SIZES) {
    const least = { cpu: Number.POSITIVE_INFINITY, elapsed: Number.POSITIVE_INFINITY }
    const begin = performance.now()
    for (let run = 0; run < RUNS && performance.now() - begin < SIZE_MS; run++) {
      const batch = batchOf(rows)
      const [startMs, startCpuMs] = [performance.now(), cpuMs()]
      await runner.run(batch, rows)
      const elapsed = performance.now() - startMs
      least.elapsed = Math.min(least.elapsed, elapsed)
      // CPU time may include other threads of the process.
      least.cpu = Math.min(least.cpu, elapsed, Math.max(cpuMs() - startCpuMs, LEAST_MS))
    }
    points.cpu.push({ rows, ms: least.cpu })
    points.elapsed.push({ rows, ms: least.elapsed })
    if (least.elapsed > SIZE_MS) break
  }
  return { cpu: new CostFit(points.cpu).cost, elapsed: new CostFit(points.elapsed).cost }
}

/** Takes batches from a sample, one after the other, again and again. */
export function sampleBatches(sample: Float32Array): (rows: number) => Float32Array {
  const width = sample.length / LARGEST_BATCH
  let next = 0
  return (rows) => {
    const from = next + rows > LARGEST_BATCH ? 0 : next
    next = from + rows
    return sample.subarray(from * width, next * width)
  }
}

/** Whether the machine was otherwise idle. A cost under other load is not the model's. */
export function isUndisturbed({ cpu, elapsed }: MeasuredCost): boolean {
  return SIZES.every((rows) => costMs(elapsed, rows) <= DISTURBED * costMs(cpu, rows))
}

export function readCost(kept: unknown): MeasuredCost | null {
  const { cpu, elapsed } = (kept ?? {}) as Partial<MeasuredCost>
  return isCost(cpu) && isCost(elapsed) ? { cpu, elapsed } : null
}

function isCost(cost: Partial<Cost> | undefined): cost is Cost {
  const { baseMs = -1, rowMs = -1 } = cost ?? {}
  return baseMs >= 0 && rowMs >= 0 && baseMs + rowMs > 0
}

interface Point {
  readonly rows: number
  readonly ms: number
}

/** Weighted sums over points: of 1, n, n², t and n·t. */
type Sums = readonly number[]

const NOTHING: Sums = [0, 0, 0, 0, 0]

/** A least-squares fit, weighted so that errors are relative. */
export class CostFit {
  readonly #permanent: Sums
  #decaying = NOTHING
  #points: number

  constructor(permanent: readonly Point[]) {
    this.#permanent = permanent.reduce((sums, point) => withPoint(sums, point, point.ms), NOTHING)
    this.#points = permanent.length
  }

  /** @param expectedMs scale of the point's error @param keep as in {@link fade} */
  add(point: Point, expectedMs: number, keep: number): void {
    this.fade(keep)
    this.#decaying = withPoint(this.#decaying, point, expectedMs)
    this.#points++
  }

  /** @param keep weight of the points added so far, 0 to 1 */
  fade(keep: number): void {
    this.#decaying = this.#decaying.map((sum) => sum * keep)
  }

  /** Neither part is below 0; a single point gives a line through the origin. */
  get cost(): Cost {
    const all = this.#permanent.map((sum, i) => sum + (this.#decaying[i] as number))
    const [weight, n, nn, t, nt] = all as [number, number, number, number, number]
    const determinant = this.#points > 1 ? weight * nn - n ** 2 : 0
    const baseMs = determinant > 0 ? (t * nn - n * nt) / determinant : 0
    const rowMs = (weight * nt - n * t) / determinant
    if (!(baseMs > 0)) return { baseMs: 0, rowMs: nt / nn }
    return rowMs > 0 ? { baseMs, rowMs } : { baseMs: t / weight, rowMs: 0 }
  }
}

function withPoint(sums: Sums, { rows, ms }: Point, expectedMs: number): Sums {
  const weight = 1 / expectedMs ** 2
  const terms = [1, rows, rows ** 2, ms, rows * ms]
  return sums.map((sum, i) => sum + weight * (terms[i] as number))
}

/** 0 to {@link LARGEST_BATCH}. */
export function rowsWithin(ms: number, cost: Cost): number {
  if (cost.baseMs + cost.rowMs > ms) return 0
  return Math.min(LARGEST_BATCH, Math.floor((ms - cost.baseMs) / cost.rowMs))
}

/**
 * Dynamic quantisation does so, because its scale spans the batch.
 * @param tolerance of a score, as a fraction of the largest of its column; 0: every bit counts
 */
export async function dependsOnBatch(
  runner: Runner,
  sample: Float32Array,
  tolerance: number,
): Promise<boolean> {
  const width = sample.length / LARGEST_BATCH
  const all = PIECES.reduce((sum, piece) => sum + piece, 0)
  const together = await runner.run(sample.subarray(0, all * width), all)
  const most = together.map((scores) => {
    return tolerance * Math.max(...scores.map(Math.abs).filter(Number.isFinite))
  })
  let from = 0
  for (const piece of PIECES) {
    const to = from + piece
    const apart = await runner.run(sample.subarray(from * width, to * width), piece)
    const same = apart.every((scores, i) =>
      scores.every((score, row) => {
        const other = together[i]?.[from + row] as number
        return Object.is(score, other) || Math.abs(score - other) < (most[i] as number)
      }),
    )
    if (!same) return true
    from = to
  }
  return false
}

/** The same at every start: numbers of golden rows, or integers to 1023, log-uniform. */
export function sampleRows(features: number, golden: Golden | null): Float32Array {
  const random = seeded(1)
  const rows = new Float32Array(LARGEST_BATCH * features)
  for (let i = 0; i < rows.length; i++) {
    rows[i] =
      golden === null
        ? Math.floor(2 ** (random() * 10)) - 1
        : (golden.rows[Math.floor(random() * golden.count) * features + (i % features)] as number)
  }
  return rows
}
