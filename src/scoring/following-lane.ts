import type { Lane } from './batch-scorer.ts'
import type { Runner } from './runner.ts'
import { type Cost, CostFit, rowsWithin, SIZES } from './warm-up.ts'

/**
 * What a run adds to the fit is worth so much less after each one that follows: the last 200 or so
 * count.
 */
const KEPT_OF_A_RUN = 0.995

export interface LaneOptions {
  readonly runner: Runner
  /** What a batch cost when the model was loaded. */
  readonly cost: Cost
  /** The longest that a batch may take. */
  readonly withinMs: number
  /** The largest batch at first. */
  readonly rows: number
}

/**
 * A lane whose largest batch follows what its runs take: t(n) = a + b·n is fitted to the last of
 * them, beside what was measured at load, without which runs of one size would say nothing of
 * others. It gets no smaller than a / b rows, or than it was at first if that was less: below, a
 * run costs more than its rows, and a busy machine would be made busier.
 */
export class FollowingLane implements Lane {
  readonly runner: Runner
  readonly #o: LaneOptions
  readonly #fit: CostFit
  #rows: number

  constructor(options: LaneOptions) {
    this.runner = options.runner
    this.#o = options
    this.#rows = options.rows
    this.#fit = new CostFit(SIZES.map((rows) => ({ rows, ms: this.#atLoadMs(rows) })))
  }

  get rows(): number {
    return this.#rows
  }

  ran(rows: number, ms: number): void {
    this.#fit.add({ rows, ms }, this.#atLoadMs(rows), KEPT_OF_A_RUN)
    const { baseMs, rowMs } = this.#fit.cost
    const least = Math.min(this.#o.rows, Math.ceil(baseMs / rowMs))
    this.#rows = Math.max(1, least, rowsWithin(this.#o.withinMs, { baseMs, rowMs }))
  }

  #atLoadMs(rows: number): number {
    const { baseMs, rowMs } = this.#o.cost
    return baseMs + rowMs * rows
  }
}
