import type { Lane } from './batch-scorer.ts'
import type { Runner } from './runner.ts'
import { type Cost, CostFit, rowsWithin, SIZES } from './warm-up.ts'

/**
 * By this factor the weight of a run in the fit shrinks with each later run: about the last 200
 * count.
 */
const KEPT_OF_A_RUN = 0.995

/**
 * The same when a batch goes to another model: a model that was slow for a moment is tried again
 * after some hundred batches.
 */
const KEPT_WHEN_PASSED_OVER = 0.999

/** How a {@link FollowingLane} starts. */
export interface LaneOptions {
  readonly runner: Runner
  /** What a batch cost when the model was loaded. */
  readonly cost: Cost
  /** The longest that a batch may take, ms. */
  readonly withinMs: number
  /** The initial largest batch. */
  readonly rows: number
}

/**
 * A lane whose largest batch follows how long its runs take: t(n) = a + b·n is fitted to the most
 * recent runs and to the measurements at load. Without the latter, runs of a single size would say
 * nothing about other sizes. The largest batch never falls below a / b rows, or below its initial
 * value if that is less: in smaller batches the fixed cost of a run exceeds that of its rows, which
 * would make a busy machine busier.
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

  get cost(): Cost {
    return this.#fit.cost
  }

  ran(rows: number, ms: number): void {
    this.#fit.add({ rows, ms }, this.#atLoadMs(rows), KEPT_OF_A_RUN)
    this.#follow()
  }

  passedOver(): void {
    this.#fit.fade(KEPT_WHEN_PASSED_OVER)
    this.#follow()
  }

  #follow(): void {
    const { baseMs, rowMs } = this.#fit.cost
    const least = Math.min(this.#o.rows, Math.ceil(baseMs / rowMs))
    this.#rows = Math.max(1, least, rowsWithin(this.#o.withinMs, { baseMs, rowMs }))
  }

  #atLoadMs(rows: number): number {
    const { baseMs, rowMs } = this.#o.cost
    return baseMs + rowMs * rows
  }
}
