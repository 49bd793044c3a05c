import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Lane } from './batch-scorer.ts'
import { FollowingLane } from './following-lane.ts'
import type { ModelCache } from './model-cache.ts'
import { columnToSortBy, readColumn, sortedBy } from './row-order.ts'
import type { Runner } from './runner.ts'
import {
  type Cost,
  isUndisturbed,
  type MeasuredCost,
  measureCost,
  readCost,
  rowsWithin,
} from './warm-up.ts'
import { WatchedRunner } from './watched-runner.ts'

/**
 * Batches that take up to this long run on the main thread: another thread would make them a fifth
 * slower and free up little.
 */
const INLINE_MS = 0.25

/** The longest that a batch may block the main thread, if it has no other thread to run on. */
const TURN_MS = 2.5

/** What {@link chooseLanes} needs to know of a model. */
export interface LaneChoice {
  /** `name@version` for the reader. */
  readonly label: string
  readonly where: string
  readonly latencyBudgetMs: number
  /** Whether each row must be run alone. */
  readonly isAlone: boolean
  /** Whether it may only run on another thread, where its rows can be given up. */
  readonly isGuarded: boolean
  /** As `sampleRows` returns it. */
  readonly sample: Float32Array
  readonly features: number
  /** May have the model's cost and row order from an earlier start. */
  readonly cache: ModelCache
  /** What a cached cost and row order depend on. */
  readonly dependsOn: object
  /** Starts the same model on another thread. @param sortBy column that its rows are sorted by */
  readonly startThread: (sortBy: number | null) => Promise<Runner>
}

/** The lanes that a model runs in. */
export interface ChosenLanes {
  readonly lanes: readonly Lane[]
  readonly notes: readonly string[]
}

/**
 * Measures a model and decides how large its batches are, in which order their rows are fed, and
 * where they run: short batches on this thread, longer ones, and all of a guarded model, on
 * another. The other thread is started
 * and warmed up only when the largest batch is long. `inline` is closed when no batch is short.
 *
 * @throws TidemarkError `MODEL_TOO_SLOW` when one row does not fit the budget · `MODEL_LOAD` when
 * the thread does not start
 */
export async function chooseLanes(inline: Runner, choice: LaneChoice): Promise<ChosenLanes> {
  const { cpu: cost, elapsed } = await knownCost(inline, choice)
  const notes: string[] = []
  let rows = rowsWithin(choice.latencyBudgetMs, cost)
  if (rows === 0) throw tooSlow(cost, choice)
  if (rowsWithin(choice.latencyBudgetMs, elapsed) === 0) notes.push(busy(elapsed, choice))
  if (choice.isAlone) {
    rows = 1
    notes.push(
      `${choice.label} scores a row differently in a batch than alone (as dynamic quantisation does), so each row runs alone, which is slow: quantise statically (QDQ)`,
    )
  }
  // Sizes are those of unsorted rows, which take longer, so sorted rows stay within the budget.
  const sortBy = rows === 1 ? null : await knownColumn(inline, choice, cost)
  const here = sortedBy(sortBy, inline)
  const inlineRows = choice.isGuarded ? 0 : Math.min(rows, rowsWithin(INLINE_MS, cost))
  const laneOf = (runner: Runner, most: number, withinMs: number): Lane =>
    choice.isAlone
      ? { runner, rows: most }
      : new FollowingLane({ runner, cost, rows: most, withinMs })
  const budgetMs = choice.latencyBudgetMs
  if (inlineRows === rows) {
    return { lanes: [laneOf(here, rows, Math.min(budgetMs, TURN_MS))], notes }
  }
  const thread = laneOf(await warmThread({ rows, sortBy }, choice), rows, budgetMs)
  if (inlineRows > 0) return { lanes: [laneOf(here, inlineRows, INLINE_MS), thread], notes }
  await inline.close()
  return { lanes: [thread], notes }
}

/**
 * The lane of a tree model. It runs batches of any size on this thread, since a row costs so
 * little.
 *
 * @throws TidemarkError `MODEL_TOO_SLOW` when one row does not fit the budget
 */
export async function treeLane(
  runner: Runner,
  choice: Omit<LaneChoice, 'startThread' | 'isAlone' | 'isGuarded' | 'features'>,
): Promise<ChosenLanes> {
  const { cpu: cost } = await knownCost(runner, choice)
  if (rowsWithin(choice.latencyBudgetMs, cost) === 0) throw tooSlow(cost, choice)
  const withinMs = Math.min(choice.latencyBudgetMs, TURN_MS)
  const rows = Math.max(1, rowsWithin(withinMs, cost))
  return { lanes: [new FollowingLane({ runner, cost, rows, withinMs })], notes: [] }
}

type Measuring = Pick<LaneChoice, 'cache' | 'dependsOn' | 'sample'>

function knownCost(runner: Runner, { cache, dependsOn, sample }: Measuring): Promise<MeasuredCost> {
  const find = () => measureCost(runner, sample)
  const isWorthKeeping = isUndisturbed
  return cache.known({ kind: 'costs', dependsOn, read: readCost, find, isWorthKeeping })
}

async function knownColumn(
  runner: Runner,
  { cache, dependsOn, sample }: Measuring,
  cost: Cost,
): Promise<number | null> {
  const find = async () => ({ column: await columnToSortBy(runner, sample, cost) })
  return (await cache.known({ kind: 'row-orders', dependsOn, read: readColumn, find })).column
}

async function warmThread(
  { rows, sortBy }: { rows: number; sortBy: number | null },
  choice: LaneChoice,
): Promise<Runner> {
  const { label, where, sample, features, startThread } = choice
  try {
    const runner = await startThread(sortBy)
    await runner.run(sample.subarray(0, rows * features), rows)
    return choice.isGuarded ? runner : new WatchedRunner(runner, choice)
  } catch (cause) {
    const message = `${label}: its scoring thread did not start: ${messageOf(cause)}`
    const hint = 'is the package built and complete? the thread loads dist/scoring/scorer-thread.js'
    throw new TidemarkError('MODEL_LOAD', message, { where, hint, cause })
  }
}

/** Decided by CPU time alone: how busy the machine is now says nothing about the model. */
function tooSlow(
  cost: Cost,
  { label, where, latencyBudgetMs }: Pick<LaneChoice, 'label' | 'where' | 'latencyBudgetMs'>,
): TidemarkError {
  const took = formatDuration(cost.baseMs + cost.rowMs)
  const budget = formatDuration(latencyBudgetMs)
  const message = `${label} takes ${took} of CPU time for one row, the latency budget is ${budget}`
  const hint = 'raise latencyBudget of the score step, or use a smaller model'
  return new TidemarkError('MODEL_TOO_SLOW', message, { where, hint })
}

function busy(elapsed: Cost, { label, latencyBudgetMs }: LaneChoice): string {
  const took = formatDuration(elapsed.baseMs + elapsed.rowMs)
  const budget = formatDuration(latencyBudgetMs)
  return `${label} took ${took} of wall-clock time for one row, the latency budget is ${budget}: the machine is busy`
}
