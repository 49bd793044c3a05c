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

/**
 * Batches up to this time run where they are: a thread would cost them a fifth more and free
 * little.
 */
const INLINE_MS = 0.25

/** A batch that cannot go elsewhere leaves the thread to others after this. */
const TURN_MS = 2.5

export interface LaneChoice {
  /** `name@version` for the reader. */
  readonly label: string
  readonly where: string
  readonly latencyBudgetMs: number
  /** Must each row be run by itself? */
  readonly isAlone: boolean
  /** As `sampleRows` makes it. */
  readonly sample: Float32Array
  readonly features: number
  /**
   * Where its cost and its row order may be known from an earlier start, and what they hold for.
   */
  readonly cache: ModelCache
  readonly holdsFor: object
  /**
   * Starts the same model on a thread of its own, which sorts its rows by a column, or does not.
   */
  readonly startThread: (sortBy: number | null) => Promise<Runner>
}

/** In which lanes a model runs. */
export interface ChosenLanes {
  readonly lanes: readonly Lane[]
  readonly notes: readonly string[]
}

/**
 * Measures a model and decides how large its batches are, in which order their rows go in, and
 * where they run: small ones on this thread, longer ones on another, which is started, warm, only
 * when the largest batch is long. `inline` is closed when no batch is small.
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
      `${choice.label} scores a row otherwise in company than alone (dynamic quantisation does), so each row runs alone, which is slow: quantise statically (QDQ)`,
    )
  }
  // Sizes are those of unsorted rows, which take longer: the budget holds all the more.
  const sortBy = rows === 1 ? null : await knownColumn(inline, choice, cost)
  const here = sortedBy(sortBy, inline)
  const inlineRows = Math.min(rows, rowsWithin(INLINE_MS, cost))
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
 * The lane of a model of trees: on this thread, whatever the batch, since a row costs so little.
 * @throws TidemarkError `MODEL_TOO_SLOW`
 */
export async function treeLane(
  runner: Runner,
  choice: Omit<LaneChoice, 'startThread' | 'isAlone' | 'features'>,
): Promise<ChosenLanes> {
  const { cpu: cost } = await knownCost(runner, choice)
  if (rowsWithin(choice.latencyBudgetMs, cost) === 0) throw tooSlow(cost, choice)
  const withinMs = Math.min(choice.latencyBudgetMs, TURN_MS)
  const rows = Math.max(1, rowsWithin(withinMs, cost))
  return { lanes: [new FollowingLane({ runner, cost, rows, withinMs })], notes: [] }
}

type Known = Pick<LaneChoice, 'cache' | 'holdsFor' | 'sample'>

function knownCost(runner: Runner, { cache, holdsFor, sample }: Known): Promise<MeasuredCost> {
  const find = () => measureCost(runner, sample)
  const isWorthKeeping = isUndisturbed
  return cache.known({ kind: 'costs', holdsFor, read: readCost, find, isWorthKeeping })
}

async function knownColumn(
  runner: Runner,
  { cache, holdsFor, sample }: Known,
  cost: Cost,
): Promise<number | null> {
  const find = async () => ({ column: await columnToSortBy(runner, sample, cost) })
  return (await cache.known({ kind: 'row-orders', holdsFor, read: readColumn, find })).column
}

async function warmThread(
  { rows, sortBy }: { rows: number; sortBy: number | null },
  choice: LaneChoice,
): Promise<Runner> {
  const { label, where, sample, features, startThread } = choice
  try {
    const runner = await startThread(sortBy)
    await runner.run(sample.subarray(0, rows * features), rows)
    return runner
  } catch (cause) {
    const message = `${label}: its thread did not start: ${messageOf(cause)}`
    const hint = 'is the package built and whole? a thread loads scorer-thread.js from dist'
    throw new TidemarkError('MODEL_LOAD', message, { where, hint, cause })
  }
}

/**
 * The processor's time alone decides: how busy the machine is just now says nothing of the model.
 */
function tooSlow(
  cost: Cost,
  { label, where, latencyBudgetMs }: Pick<LaneChoice, 'label' | 'where' | 'latencyBudgetMs'>,
): TidemarkError {
  const took = formatDuration(cost.baseMs + cost.rowMs)
  const budget = formatDuration(latencyBudgetMs)
  const message = `${label} takes ${took} of a processor for one row, the latency budget is ${budget}`
  const hint = 'raise latencyBudget of the score step, or use a smaller model'
  return new TidemarkError('MODEL_TOO_SLOW', message, { where, hint })
}

function busy(elapsed: Cost, { label, latencyBudgetMs }: LaneChoice): string {
  const took = formatDuration(elapsed.baseMs + elapsed.rowMs)
  const budget = formatDuration(latencyBudgetMs)
  return `${label} took ${took} by the clock for one row, the latency budget is ${budget}: the machine is busy`
}
