import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Lane } from './batch-scorer.ts'
import { FollowingLane } from './following-lane.ts'
import type { MeasuredRunner } from './measured-runner.ts'
import type { ModelCache } from './model-cache.ts'
import { readColumn } from './row-order.ts'
import type { Runner } from './runner.ts'
import { type Cost, isUndisturbed, type MeasuredCost, readCost, rowsWithin } from './warm-up.ts'
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
  /** Whether it may only run on another thread, where nothing waits for it. */
  readonly isBackground: boolean
  /** As `sampleRows` returns it. */
  readonly sample: Float32Array
  readonly features: number
  /** May have the model's cost and row order from an earlier start. */
  readonly cache: ModelCache
  /** What a cached cost and row order depend on. */
  readonly dependsOn: object
  /** Opens the same model once more, on this thread or on another. */
  readonly openInline: () => Promise<MeasuredRunner>
  readonly openInThread: () => Promise<MeasuredRunner>
}

/** A model that has been opened, and where. */
export interface Opened {
  readonly runner: MeasuredRunner
  readonly isInline: boolean
}

/** The lanes that a model runs in. */
export interface ChosenLanes {
  readonly lanes: readonly Lane[]
  /** How many of them are on another thread. */
  readonly threads: number
  readonly notes: readonly string[]
}

/**
 * Measures a model and decides how large its batches are, in which order their rows are fed, and
 * where they run: short batches on this thread, longer ones, and all of a guarded or background
 * model, on another. It is opened once more if both are used, or if it was opened in the other place;
 * `opened` is closed if it is not used. The other thread is warmed up.
 *
 * @throws TidemarkError `MODEL_TOO_SLOW` when one row does not fit the budget · `MODEL_LOAD`
 */
export async function chooseLanes(opened: Opened, choice: LaneChoice): Promise<ChosenLanes> {
  const { runner, isInline } = opened
  const { cpu: cost, elapsed } = await knownCost(runner, choice)
  const notes: string[] = []
  const budgetMs = batchMs(choice)
  let rows = mostRows(cost, choice)
  if (rows === 0) throw tooSlow(cost, choice)
  if (rowsWithin(choice.latencyBudgetMs, elapsed) === 0) notes.push(busy(elapsed, choice))
  if (choice.isAlone) {
    rows = 1
    notes.push(
      `${choice.label} scores a row differently in a batch than alone (as dynamic quantisation does), so each row runs alone, which is slow: quantise statically (QDQ)`,
    )
  }
  // Sizes are those of unsorted rows, which take longer, so sorted rows stay within the budget.
  const sortBy = rows === 1 ? null : await knownColumn(runner, choice, cost)
  const inlineRows = rowsInline(rows, cost, choice)
  const laneOf = (of: Runner, most: number, withinMs: number): Lane =>
    choice.isAlone
      ? { runner: of, rows: most, cost }
      : new FollowingLane({ runner: of, cost, rows: most, withinMs })
  const lanes: Lane[] = []
  if (inlineRows > 0) {
    const inline = isInline ? runner : await choice.openInline()
    inline.sortBy(sortBy)
    const withinMs = inlineRows === rows ? Math.min(budgetMs, TURN_MS) : INLINE_MS
    lanes.push(laneOf(inline, inlineRows, withinMs))
  }
  if (inlineRows < rows) {
    const thread = isInline ? await choice.openInThread() : runner
    thread.sortBy(sortBy)
    const { sample, features } = choice
    await thread.run(sample.subarray(0, rows * features), rows)
    lanes.push(laneOf(watched(thread, choice), rows, budgetMs))
  }
  if (isInline ? inlineRows === 0 : inlineRows === rows) await runner.close()
  return { lanes, threads: inlineRows < rows ? 1 : 0, notes }
}

/**
 * How long a batch may take. Of a guarded model half the budget: a run that has waited for another
 * is given up one budget after it began, which is then twice as long as it should take.
 */
function batchMs({
  isGuarded,
  latencyBudgetMs,
}: Pick<LaneChoice, 'isGuarded' | 'latencyBudgetMs'>): number {
  return isGuarded ? latencyBudgetMs / 2 : latencyBudgetMs
}

/** The largest batch; 0: one row does not fit the budget. */
function mostRows(cost: Cost, choice: Pick<LaneChoice, 'isGuarded' | 'latencyBudgetMs'>): number {
  if (rowsWithin(choice.latencyBudgetMs, cost) === 0) return 0
  return Math.max(1, rowsWithin(batchMs(choice), cost))
}

/** A run without end is a fault, unless its rows are given up before, or nothing waits for it. */
function watched(thread: MeasuredRunner, choice: LaneChoice): Runner {
  const { isGuarded, isBackground } = choice
  return isGuarded || isBackground ? thread : new WatchedRunner(thread, choice)
}

/** How many rows a batch may have that runs on this thread; 0: none does. */
function rowsInline(
  rows: number,
  cost: Cost,
  { isGuarded, isBackground }: Pick<LaneChoice, 'isGuarded' | 'isBackground'>,
): number {
  return isGuarded || isBackground ? 0 : Math.min(rows, rowsWithin(INLINE_MS, cost))
}

/** Is it known, from an earlier start, that all batches of a model run on this thread? */
export async function isKnownInline(
  choice: Pick<
    LaneChoice,
    'cache' | 'dependsOn' | 'isGuarded' | 'isBackground' | 'latencyBudgetMs'
  >,
): Promise<boolean> {
  const cost = await choice.cache.kept({
    kind: 'costs',
    dependsOn: choice.dependsOn,
    read: readCost,
  })
  if (cost === null) return false
  const rows = mostRows(cost.cpu, choice)
  return rows > 0 && rowsInline(rows, cost.cpu, choice) === rows
}

/**
 * The lane of a tree model. It runs batches of any size on this thread, since a row costs so
 * little.
 *
 * @throws TidemarkError `MODEL_TOO_SLOW` when one row does not fit the budget
 */
export async function treeLane(
  runner: MeasuredRunner,
  choice: Pick<LaneChoice, 'label' | 'where' | 'latencyBudgetMs' | keyof Measuring>,
): Promise<ChosenLanes> {
  const { cpu: cost } = await knownCost(runner, choice)
  if (rowsWithin(choice.latencyBudgetMs, cost) === 0) throw tooSlow(cost, choice)
  const withinMs = Math.min(choice.latencyBudgetMs, TURN_MS)
  const rows = Math.max(1, rowsWithin(withinMs, cost))
  return { lanes: [new FollowingLane({ runner, cost, rows, withinMs })], threads: 0, notes: [] }
}

type Measuring = Pick<LaneChoice, 'cache' | 'dependsOn' | 'sample'>

function knownCost(
  runner: MeasuredRunner,
  { cache, dependsOn, sample }: Measuring,
): Promise<MeasuredCost> {
  const find = () => runner.measure(sample)
  const isWorthKeeping = isUndisturbed
  return cache.known({ kind: 'costs', dependsOn, read: readCost, find, isWorthKeeping })
}

async function knownColumn(
  runner: MeasuredRunner,
  { cache, dependsOn, sample }: Measuring,
  cost: Cost,
): Promise<number | null> {
  const find = async () => ({ column: await runner.columnToSortBy(sample, cost) })
  return (await cache.known({ kind: 'row-orders', dependsOn, read: readColumn, find })).column
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
