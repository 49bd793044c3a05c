import { createHash } from 'node:crypto'
import { Refused, refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition, ScoreStep } from '../topology/definition.ts'
import { EDITION } from '../trees/edition.ts'
import { BatchScorer } from './batch-scorer.ts'
import { candidateOf, labelOf } from './candidate.ts'
import type { Golden } from './golden.ts'
import { goldenDifferences } from './golden-check.ts'
import { type ChosenLanes, chooseLanes, treeLane } from './lanes.ts'
import { type Proven, proveModel } from './load-gate.ts'
import { type ModelCache, usersModelCache } from './model-cache.ts'
import { readingOf } from './runner.ts'
import { scoreColumns } from './score-columns.ts'
import type { Evaluator, Scorer } from './scorer.ts'
import { ThreadRunner } from './thread-runner.ts'
import { provenTrees } from './tree-gate.ts'
import { sampleRows } from './warm-up.ts'

/**
 * What computes a model. `auto`: its trees, in the worker, if that returns the same bits as ONNX
 * Runtime, otherwise ONNX Runtime.
 */
export type EvaluatorChoice = 'auto' | 'onnxruntime'

/** A step that scores. */
export interface ModelUse {
  /** Name of the step; unique among the uses that are loaded together. */
  readonly step: string
  readonly model: ModelDefinition
  readonly missing: ScoreStep['missing']
  /** The longest that one batch may take, ms. */
  readonly latencyBudgetMs: number
  /**
   * Whether another model scores the rows that this one cannot. It is guarded then: a model that
   * ONNX Runtime runs is run on another thread only, and its rows are given up when it hangs.
   * @default false
   */
  readonly hasFallback?: boolean
  /** Shown with a fault. @default the step's name */
  readonly where?: string
}

/** Settings for all models that are loaded together. */
export interface LoadOptions {
  /** @default 'auto' */
  readonly evaluator?: EvaluatorChoice
  /** Findings of earlier starts. @default the user's cache */
  readonly cache?: ModelCache
}

/** The result of {@link loadScorers}. */
export interface LoadedScorers {
  /** By step; empty when there are faults. */
  readonly scorers: ReadonlyMap<string, Scorer>
  readonly faults: TidemarkError[]
  /** Warnings that do not stop the start. */
  readonly notes: string[]
}

/**
 * Loads and checks the models of all steps, one after the other so that each is measured
 * undisturbed. `chosen`: files that the operator uses instead of a model's own, by model name.
 *
 * Returns the faults of all models at once: `MODEL_*`, and `CONFIG_INVALID` for a chosen name that
 * no step uses. If there is any fault, no model stays loaded.
 */
export async function loadScorers(
  uses: readonly ModelUse[],
  chosen: ReadonlyMap<string, string>,
  { evaluator = 'auto', cache = usersModelCache() }: LoadOptions = {},
): Promise<LoadedScorers> {
  const scorers = new Map<string, Scorer>()
  const faults = unusedChoices(uses, chosen)
  const notes: string[] = []
  const shared = new Map<string, Scorer>()
  for (const use of uses) {
    try {
      const file = chosen.get(use.model.name) ?? null
      const loaded = await loadScorer(use, { file, evaluator, cache }, shared)
      scorers.set(use.step, loaded.scorer)
      notes.push(...loaded.notes)
    } catch (error) {
      faults.push(...faultsOf(error))
    }
  }
  if (faults.length === 0) return { scorers, faults, notes }
  await Promise.all([...scorers.values()].map((scorer) => scorer.close()))
  return { scorers: new Map(), faults, notes }
}

function unusedChoices(
  uses: readonly ModelUse[],
  chosen: ReadonlyMap<string, string>,
): TidemarkError[] {
  const names = new Set(uses.map((use) => use.model.name))
  const hint = `models in use: ${[...names].join(', ') || 'none'}`
  return [...chosen.keys()]
    .filter((name) => !names.has(name))
    .map(
      (name) => new TidemarkError('CONFIG_INVALID', `no topology uses a model "${name}"`, { hint }),
    )
}

function faultsOf(error: unknown): readonly TidemarkError[] {
  if (error instanceof Refused) return error.faults
  if (error instanceof TidemarkError) return [error]
  throw error
}

/** What the operator chose for a model. */
interface OperatorChoice {
  /** `null`: the model's own file. */
  readonly file: string | null
  readonly evaluator: EvaluatorChoice
  readonly cache: ModelCache
}

/**
 * Loads and checks one model. Steps that run the same bytes in the same way share its sessions and
 * its batches: `shared` holds them by what is run and how.
 *
 * @throws Refused, TidemarkError
 */
async function loadScorer(
  use: ModelUse,
  chosen: OperatorChoice,
  shared: Map<string, Scorer>,
): Promise<{ scorer: Scorer; notes: readonly string[] }> {
  const { model, latencyBudgetMs, hasFallback = false } = use
  const { cache } = chosen
  const candidate = await candidateOf({ model, where: use.where ?? use.step }, chosen.file)
  const trees =
    chosen.evaluator === 'auto' ? await provenTrees(candidate.found, model, cache) : 'as you chose'
  const isTrees = typeof trees !== 'string'
  const proven = isTrees
    ? await proveModel(candidate, async () => ({ runner: trees, signature: trees.signature }))
    : await proveModel(candidate)
  const label = labelOf(candidate)
  const goldenOnes = goldenNotes(use, label, proven.golden)
  const { sha256 } = candidate.found
  const { input, outputs, features } = model
  const isGuarded = hasFallback && !isTrees
  const way = [input, outputs, features.length, latencyBudgetMs, isGuarded]
  const same = JSON.stringify([sha256, ...way])
  const known = shared.get(same)
  if (known !== undefined) {
    await proven.runner.close()
    return { scorer: named(known, model.name, label), notes: goldenOnes }
  }
  const sample = sampleRows(features.length, proven.golden)
  const choice = {
    label,
    where: candidate.where,
    latencyBudgetMs,
    isAlone: proven.isAlone,
    isGuarded,
    sample,
    features: features.length,
    cache,
    dependsOn: {
      model: sha256,
      reading: readingOf(model),
      evaluator: isTrees ? EDITION : null,
      sample: createHash('sha256').update(sample).digest('hex'),
    },
    startThread: (sortBy: number | null) =>
      ThreadRunner.start(label, {
        bytes: candidate.found.bytes,
        reading: readingOf(model),
        sortBy,
      }),
  }
  const { lanes, notes } = await provenLanes(proven, () =>
    isTrees ? treeLane(proven.runner, choice) : chooseLanes(proven.runner, choice),
  )
  const evaluator: Evaluator = isTrees ? { by: 'trees' } : { by: 'onnxruntime', why: trees }
  const columns = scoreColumns(outputs).length
  const identity = {
    name: model.name,
    label,
    sha256,
    evaluator,
    features: features.length,
    columns,
    ...(isGuarded && { guardMs: latencyBudgetMs }),
  }
  const scorer = new BatchScorer(identity, lanes)
  shared.set(same, scorer)
  return { scorer, notes: [...goldenOnes, ...notes] }
}

/** The same scorer under another name. */
function named(scorer: Scorer, name: string, label: string): Scorer {
  const { sha256, evaluator } = scorer
  return {
    ...{ name, label, sha256, evaluator },
    get maxBatch() {
      return scorer.maxBatch
    },
    get state() {
      return scorer.state
    },
    score: (rows, count) => scorer.score(rows, count),
    close: () => scorer.close(),
  }
}

/**
 * The lanes of a model. The golden rows are checked in each of them, since trees, another thread,
 * sorted rows or single rows might change the scores.
 */
async function provenLanes(
  { runner, golden, check }: Proven,
  choose: () => Promise<ChosenLanes>,
): Promise<ChosenLanes> {
  const chosen = await choose().catch(async (error) => {
    await runner.close()
    throw error
  })
  try {
    for (const lane of golden === null ? [] : chosen.lanes) {
      const runs = { runner: lane.runner, atMost: lane.rows }
      refuseIfAny(await goldenDifferences(golden as Golden, runs, check))
    }
    return chosen
  } catch (error) {
    await Promise.all(chosen.lanes.map((lane) => lane.runner.close()))
    throw error
  }
}

function goldenNotes(use: ModelUse, label: string, golden: Golden | null): string[] {
  if (golden === null)
    return [
      `${label} has no golden rows: it is not checked that it scores here as it did where it was trained`,
    ]
  if (use.missing === 'nan' || !golden.rows.some(Number.isNaN)) return []
  return [
    `the golden rows of ${label} contain missing values; here an event with one becomes a dead letter, unless the score step says missing: 'nan'`,
  ]
}
