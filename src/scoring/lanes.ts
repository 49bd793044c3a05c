import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import type { ModelCache } from './model-cache.ts'
import { type Cost, costMs, type OpenedModel, type Runner } from './runner.ts'
import { watchedRunner } from './thread-runner.ts'
import {
  CostFit,
  isUndisturbed,
  LARGEST_BATCH,
  measureCost,
  readCost,
  rowsWithin,
  SIZES,
} from './warm-up.ts'

/** ms; another thread would make shorter batches a fifth slower and free up little. */
const INLINE_MS = 0.25

/** The longest that a batch may block the main thread, if the model has only this one, ms. */
const TURN_MS = 2.5

export interface Lane {
  readonly rows: number
  readonly runner: Runner
  readonly cost: Cost
  /** Called after each batch. @default none */
  ran?(rows: number, ms: number): void
  /** Called when the lane was idle and another model was asked instead. @default none */
  passedOver?(): void
}

export interface LaneChoice {
  readonly label: string
  readonly where: string
  readonly latencyBudgetMs: number
  /** Whether it must run on another thread, where its rows can be given up. */
  readonly isGuarded: boolean
  /** Whether it must run on another thread, where nothing waits for it. */
  readonly isBackground: boolean
  readonly sample: Float32Array
  readonly cache: ModelCache
  /** Inputs of a cached cost. */
  readonly dependsOn: object
}

interface Opened {
  readonly runner: OpenedModel
  readonly isInline: boolean
  /** Whether each row must run alone. */
  readonly isAlone: boolean
  /** Opens the model where it is not. */
  readonly openOther: () => Promise<OpenedModel>
}

interface ChosenLanes {
  readonly lanes: readonly Lane[]
  readonly threads: number
  readonly notes: readonly string[]
}

/**
 * Long batches, and all of a guarded or background model, run on another thread. The model is
 * opened once more where it is not; `opened` is closed if no lane uses it. @throws TidemarkError
 * `MODEL_TOO_SLOW` when one row does not fit the budget · `MODEL_LOAD`
 */
export async function chooseLanes(opened: Opened, choice: LaneChoice): Promise<ChosenLanes> {
  const { runner, isInline, isAlone, openOther } = opened
  const { cpu: cost, elapsed } = await knownCost(runner, choice)
  const notes: string[] = []
  const budgetMs = batchMs(choice)
  let rows = mostRows(cost, choice)
  if (rows === 0) throw tooSlow(cost, choice)
  if (rowsWithin(choice.latencyBudgetMs, elapsed) === 0) notes.push(busy(elapsed, choice))
  if (isAlone) {
    rows = 1
    notes.push(
      `${choice.label} scores a row differently in a batch than alone (as dynamic quantisation does), so each row runs alone, which is slow: quantise statically (QDQ)`,
    )
  }
  const inlineRows = rowsInline(rows, cost, choice)
  const laneOf = (laneRunner: Runner, most: number, withinMs: number): Lane =>
    isAlone
      ? { runner: laneRunner, rows: most, cost }
      : new FollowingLane({ runner: laneRunner, cost, rows: most, withinMs })
  const lanes: Lane[] = []
  if (inlineRows > 0) {
    const inline = isInline ? runner : await openOther()
    const withinMs = inlineRows === rows ? Math.min(budgetMs, TURN_MS) : INLINE_MS
    lanes.push(laneOf(inline, inlineRows, withinMs))
  }
  if (inlineRows < rows) {
    const thread = isInline ? await openOther() : runner
    const { sample } = choice
    await thread.run(sample.subarray(0, (rows * sample.length) / LARGEST_BATCH), rows)
    // Rows of a guarded model are given up before, and nothing waits for those of a background one.
    const isWatched = !choice.isGuarded && !choice.isBackground
    lanes.push(laneOf(isWatched ? watchedRunner(thread, choice) : thread, rows, budgetMs))
  }
  if (isInline ? inlineRows === 0 : inlineRows === rows) await runner.close()
  return { lanes, threads: inlineRows < rows ? 1 : 0, notes }
}

/** ms; half the budget if guarded: a run that waited for another has one budget, twice its time. */
function batchMs({ isGuarded, latencyBudgetMs }: LaneChoice): number {
  return isGuarded ? latencyBudgetMs / 2 : latencyBudgetMs
}

/** The largest batch; 0: one row does not fit the budget. */
function mostRows(cost: Cost, choice: LaneChoice): number {
  if (rowsWithin(choice.latencyBudgetMs, cost) === 0) return 0
  return Math.max(1, rowsWithin(batchMs(choice), cost))
}

/** The most rows of a batch on this thread; 0: none runs there. */
function rowsInline(rows: number, cost: Cost, { isGuarded, isBackground }: LaneChoice): number {
  return isGuarded || isBackground ? 0 : Math.min(rows, rowsWithin(INLINE_MS, cost))
}

/** Whether an earlier start has found that all batches of a model run on this thread. */
export async function isKnownInline(choice: LaneChoice): Promise<boolean> {
  const { cache, dependsOn } = choice
  const cost = await cache.recall({ kind: 'costs', dependsOn, read: readCost })
  if (cost === null) return false
  const rows = mostRows(cost.cpu, choice)
  return rows > 0 && rowsInline(rows, cost.cpu, choice) === rows
}

/**
 * Always on this thread. @throws TidemarkError `MODEL_TOO_SLOW`: one row does not fit the budget
 */
export async function treeLane(runner: OpenedModel, choice: LaneChoice): Promise<ChosenLanes> {
  const { cpu: cost } = await knownCost(runner, choice)
  if (rowsWithin(choice.latencyBudgetMs, cost) === 0) throw tooSlow(cost, choice)
  const withinMs = Math.min(choice.latencyBudgetMs, TURN_MS)
  const rows = Math.max(1, rowsWithin(withinMs, cost))
  return { lanes: [new FollowingLane({ runner, cost, rows, withinMs })], threads: 0, notes: [] }
}

function knownCost(runner: OpenedModel, { cache, dependsOn, sample }: LaneChoice) {
  const find = () => runner.measure?.(sample) ?? measureCost(runner, sample)
  const isWorthKeeping = isUndisturbed
  return cache.obtain({ kind: 'costs', dependsOn, read: readCost, find, isWorthKeeping })
}

/** `MODEL_TOO_SLOW`, by CPU time alone: a busy machine says nothing about the model. */
function tooSlow(cost: Cost, { label, where, latencyBudgetMs }: LaneChoice): TidemarkError {
  const took = formatDuration(costMs(cost, 1))
  const budget = formatDuration(latencyBudgetMs)
  const message = `${label} takes ${took} of CPU time for one row, the latency budget is ${budget}`
  const hint = 'raise latencyBudget of the score step, or use a smaller model'
  return new TidemarkError('MODEL_TOO_SLOW', message, { where, hint })
}

function busy(elapsed: Cost, { label, latencyBudgetMs }: LaneChoice): string {
  const took = formatDuration(costMs(elapsed, 1))
  const budget = formatDuration(latencyBudgetMs)
  return `${label} took ${took} of wall-clock time for one row, the latency budget is ${budget}: the machine is busy`
}

/** Factor by which each run lowers the weight of earlier ones: about the last 200 count. */
const KEPT_OF_A_RUN = 0.995

/** For a batch that another model gets: a slow model is tried again after some hundred batches. */
const KEPT_WHEN_PASSED_OVER = 0.999

interface LaneOptions extends Pick<Lane, 'runner' | 'cost' | 'rows'> {
  readonly withinMs: number
}

/**
 * Fits t(n) = a + b·n to recent runs and to those at load, because one size says nothing of others.
 * The largest batch never falls below a / b rows, or its initial value if that is less: the fixed
 * cost would exceed that of the rows, and a busy machine would get busier.
 */
export class FollowingLane implements Lane {
  readonly runner: Runner
  readonly #o: LaneOptions
  readonly #fit: CostFit
  rows: number

  constructor(options: LaneOptions) {
    this.runner = options.runner
    this.#o = options
    this.rows = options.rows
    this.#fit = new CostFit(SIZES.map((rows) => ({ rows, ms: costMs(options.cost, rows) })))
  }

  get cost(): Cost {
    return this.#fit.cost
  }

  ran(rows: number, ms: number): void {
    this.#fit.add({ rows, ms }, costMs(this.#o.cost, rows), KEPT_OF_A_RUN)
    this.#follow()
  }

  passedOver(): void {
    this.#fit.fade(KEPT_WHEN_PASSED_OVER)
    this.#follow()
  }

  #follow(): void {
    const { baseMs, rowMs } = this.#fit.cost
    const least = Math.min(this.#o.rows, Math.ceil(baseMs / rowMs))
    this.rows = Math.max(1, least, rowsWithin(this.#o.withinMs, { baseMs, rowMs }))
  }
}
