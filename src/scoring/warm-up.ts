import { seeded } from '../kernel/seeded.ts'
import type { Golden } from './golden.ts'
import type { Runner } from './runner.ts'

/** How long a batch takes: `baseMs + rowMs · rows`. */
export interface Cost {
  readonly baseMs: number
  readonly rowMs: number
}

/** No batch is larger: from here on a row gets no cheaper. */
export const LARGEST_BATCH = 2048

/** Rows of the batches that are measured. */
export const SIZES = [1, 8, 64, 256]
const RUNS = 5
/**
 * No further run of a size begins after it, and no larger size is tried when one run takes longer.
 */
const SIZE_MS = 20
/** No run takes no time at all. */
const LEAST_MS = 1e-3
/** By the clock a batch took so many times what it took of the processor: the machine was busy. */
const DISTURBED = 1.5
/** Pieces in which rows are run that were run together. */
const PIECES = [1, 2, 3, 5, 7, 1, 2, 3, 5, 7, 13, 15]

/** Tells time in two ways, ms. */
export interface Meter {
  /** Of the wall's clock. */
  elapsedMs(): number
  /** What this process has had of the processors. */
  cpuMs(): number
}

const MACHINE: Meter = {
  elapsedMs: () => performance.now(),
  cpuMs: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000
  },
}

/**
 * What a batch costs: `elapsed` by the clock, which a busy machine makes longer, and `cpu` of the
 * processor, which it does not.
 */
export interface MeasuredCost {
  readonly cpu: Cost
  readonly elapsed: Cost
}

/**
 * Measures the cost of a batch on fresh rows: the same rows again and again are learnt by the
 * processor's branch predictor and flatter a tree model by a factor of two to four. The best of
 * several runs counts. `sample`: row-major float32[LARGEST_BATCH, features].
 */
export async function measureCost(
  runner: Runner,
  sample: Float32Array,
  meter: Meter = MACHINE,
): Promise<MeasuredCost> {
  const width = sample.length / LARGEST_BATCH
  const points: { readonly cpu: Point[]; readonly elapsed: Point[] } = { cpu: [], elapsed: [] }
  let next = 0
  for (const rows of SIZES) {
    const least = { cpu: Number.POSITIVE_INFINITY, elapsed: Number.POSITIVE_INFINITY }
    const begin = meter.elapsedMs()
    for (let run = 0; run < RUNS && meter.elapsedMs() - begin < SIZE_MS; run++) {
      if (next + rows > LARGEST_BATCH) next = 0
      const batch = sample.subarray(next * width, (next + rows) * width)
      next += rows
      const [startMs, startCpuMs] = [meter.elapsedMs(), meter.cpuMs()]
      await runner.run(batch, rows)
      const elapsed = meter.elapsedMs() - startMs
      least.elapsed = Math.min(least.elapsed, elapsed)
      // The process may have other threads that are at work.
      least.cpu = Math.min(least.cpu, elapsed, Math.max(meter.cpuMs() - startCpuMs, LEAST_MS))
    }
    points.cpu.push({ rows, ms: least.cpu })
    points.elapsed.push({ rows, ms: least.elapsed })
    if (least.elapsed > SIZE_MS) break
  }
  return { cpu: fitCost(points.cpu), elapsed: fitCost(points.elapsed) }
}

/**
 * Was the machine free meanwhile? What was measured beside others at work is not what a batch
 * costs.
 */
export function isUndisturbed({ cpu, elapsed }: MeasuredCost): boolean {
  return SIZES.every(
    (rows) => elapsed.baseMs + elapsed.rowMs * rows <= DISTURBED * (cpu.baseMs + cpu.rowMs * rows),
  )
}

/** `null`: it is no cost. */
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

/** Sums over points, each with a weight that makes its error relative. */
class Sums {
  #one = 0
  #n = 0
  #nn = 0
  #t = 0
  #nt = 0
  #points = 0

  /**
   * @param expectedMs what its error is relative to
   * @param keep what is left of the weight of those before
   */
  add({ rows, ms }: Point, expectedMs: number, keep: number): void {
    const weight = 1 / expectedMs ** 2
    this.#one = this.#one * keep + weight
    this.#n = this.#n * keep + weight * rows
    this.#nn = this.#nn * keep + weight * rows ** 2
    this.#t = this.#t * keep + weight * ms
    this.#nt = this.#nt * keep + weight * rows * ms
    this.#points++
  }

  /**
   * Least squares with those of another, neither part below 0; one point goes through the origin.
   */
  costWith(other: Sums): Cost {
    const [one, n, nn] = [this.#one + other.#one, this.#n + other.#n, this.#nn + other.#nn]
    const [t, nt] = [this.#t + other.#t, this.#nt + other.#nt]
    const determinant = this.#points + other.#points > 1 ? one * nn - n ** 2 : 0
    const baseMs = determinant > 0 ? (t * nn - n * nt) / determinant : 0
    const rowMs = (one * nt - n * t) / determinant
    if (!(baseMs > 0)) return { baseMs: 0, rowMs: nt / nn }
    return rowMs > 0 ? { baseMs, rowMs } : { baseMs: t / one, rowMs: 0 }
  }
}

/** A cost that is fitted to points that stay, and to others that are forgotten. */
export class CostFit {
  readonly #staying = new Sums()
  readonly #passing = new Sums()

  constructor(staying: readonly Point[]) {
    for (const point of staying) this.#staying.add(point, point.ms, 1)
  }

  /**
   * Adds one that is forgotten.
   *
   * @param expectedMs what its error is relative to
   * @param keep what is left of the weight of those before, 0 to 1
   */
  add(point: Point, expectedMs: number, keep: number): void {
    this.#passing.add(point, expectedMs, keep)
  }

  get cost(): Cost {
    return this.#staying.costWith(this.#passing)
  }
}

/**
 * Least squares of the relative errors, neither part below 0; one point goes through the origin.
 */
export function fitCost(points: readonly Point[]): Cost {
  return new CostFit(points).cost
}

/** How many rows fit into a time, at most {@link LARGEST_BATCH}; 0 when not even one does. */
export function rowsWithin(ms: number, cost: Cost): number {
  if (cost.baseMs + cost.rowMs > ms) return 0
  return Math.min(LARGEST_BATCH, Math.floor((ms - cost.baseMs) / cost.rowMs))
}

/**
 * Does a row score otherwise in another batch? Dynamic quantisation does that: its scale spans the
 * batch.
 */
export async function dependsOnBatch(runner: Runner, sample: Float32Array): Promise<boolean> {
  const width = sample.length / LARGEST_BATCH
  const all = PIECES.reduce((sum, piece) => sum + piece, 0)
  const together = await runner.run(sample.subarray(0, all * width), all)
  let from = 0
  for (const piece of PIECES) {
    const to = from + piece
    const apart = await runner.run(sample.subarray(from * width, to * width), piece)
    const same = apart.every((scores, i) =>
      scores.every((score, row) => Object.is(score, together[i]?.[from + row])),
    )
    if (!same) return true
    from = to
  }
  return false
}

/**
 * {@link LARGEST_BATCH} rows, the same at every start: each number is that of a random golden row
 * in its column, or, without golden rows, a whole number from 0 to 1023 as a rising power of two
 * spreads them.
 */
export function sampleRows(features: number, golden: Golden | null): Float32Array {
  const random = seeded(1)
  return Float32Array.from({ length: LARGEST_BATCH * features }, (_, i) => {
    if (golden === null) return Math.floor(2 ** (random() * 10)) - 1
    return golden.rows[Math.floor(random() * golden.count) * features + (i % features)] as number
  })
}
