import { createHash } from 'node:crypto'
import type { ScoreStep } from '../topology/definition.ts'
import type { ModelDefinition } from '../topology/models.ts'
import { EDITION } from '../trees/edition.ts'
import { type About, BatchScorer } from './batch-scorer.ts'
import { type Golden, readGolden } from './golden.ts'
import { chooseLanes, isKnownInline, treeLane } from './lanes.ts'
import { proveModel } from './load-gate.ts'
import { ModelCache } from './model-cache.ts'
import { openInline, openInThread } from './open-model.ts'
import { ON_CPU, type Runner, readingOf, type Signature } from './runner.ts'
import { type Evaluator, type Scorer, scoreColumns } from './scorer.ts'
import { provenTrees } from './tree-runner.ts'
import { labelOf, readUnchecked } from './unchecked-model.ts'
import { sampleRows } from './warm-up.ts'
import { scoreFitting, wholeFeaturesOf } from './whole-features.ts'

/** `auto`: the worker computes a model from its trees, if that gives the bits of ONNX Runtime. */
export type EvaluatorChoice = 'auto' | 'onnxruntime'

export interface ModelUse {
  /** Unique among the uses that are loaded together. */
  readonly step: string
  readonly model: ModelDefinition
  readonly missing: ScoreStep['missing']
  readonly latencyBudgetMs: number
  /**
   * Whether a fallback scores its rows. It then runs on another thread and may hang. @default false
   */
  readonly hasFallback?: boolean
  /**
   * Whether nothing waits for it. It runs when nothing else needs the processor. @default false
   */
  readonly isBackground?: boolean
  /** @default the step's name */
  readonly where?: string
  /** Whether the start goes on without this model if it fails. @default false */
  readonly mayFail?: boolean
}

// The steps of loading a model: read, open and check, measure.

/**
 * Bytes of a session, and a factor of its file's: upper bounds of docs/decisions/models.md, 231.
 */
const SESSION_BYTES = 1_500_000
const FILE_FACTORS = { trees: 48, onnxruntime: 11 }

export type ReadUse = Awaited<ReturnType<typeof readUse>>

/** @throws TidemarkError `MODEL_FILE` */
export async function readUse(
  use: ModelUse,
  chosen: {
    file: string | null
    evaluator: EvaluatorChoice
    providers: readonly string[]
    cache: ModelCache
  },
) {
  const { model, latencyBudgetMs, hasFallback = false, isBackground = false } = use
  const { file, evaluator, providers, cache } = chosen
  const place = { model, where: use.where ?? use.step }
  const uncheckedModel = await readUnchecked(place, file, cache.folder)
  const { modelFile, where, golden: url } = uncheckedModel
  const why = isBackground ? 'as every shadow is' : 'as you chose'
  /** Computes it; a string says why ONNX Runtime does. */
  const trees = evaluator === 'auto' ? await provenTrees(modelFile, model, cache) : why
  const isGuarded = hasFallback && typeof trees === 'string'
  const { input, outputs, features } = model
  const how = [latencyBudgetMs, isGuarded, isBackground]
  /** Equal for models that run the same bytes in the same way. */
  const way = [modelFile.sha256, input, outputs, features, ...how]
  // Rows with faults count as none here: the checks report these.
  const golden = url && (await readGolden(url, where).catch(() => null))
  const sample = sampleRows(features.length, golden)
  const dependsOn = {
    model: modelFile.sha256,
    reading: readingOf(model),
    evaluator: typeof trees === 'string' ? null : EDITION,
    sample: createHash('sha256').update(sample).digest('hex'),
  }
  // Whether a provider works here may change from one start to the next, and with it the cost.
  const kept = providers.length > 1 ? new ModelCache(null) : cache
  const measured = { sample, cache: kept, dependsOn }
  const limits = { latencyBudgetMs, isGuarded, isBackground }
  const choice = { label: labelOf(uncheckedModel), where, ...limits, ...measured }
  const reading = { ...readingOf(model), providers }
  return { use, uncheckedModel, reading, trees, way: JSON.stringify(way), choice }
}

type OpenedUse = Awaited<ReturnType<typeof openUse>>

/** On this thread if all its batches do. @throws Refused · TidemarkError `MODEL_LOAD` */
export async function openUse(read: ReadUse) {
  const { uncheckedModel, trees, choice } = read
  const isInline = typeof trees !== 'string' || (await isKnownInline(choice))
  const proven = await proveModel(uncheckedModel, async () => {
    return typeof trees === 'string' ? openOn(isInline, read) : trees
  })
  return { ...read, proven, isInline }
}

function openOn(isInline: boolean, { uncheckedModel, reading, choice }: ReadUse) {
  return isInline
    ? openInline(uncheckedModel, reading)
    : openInThread(uncheckedModel, reading, choice.isBackground)
}

export type LoadedModel = Awaited<ReturnType<typeof loadModel>>

/** @throws Refused · TidemarkError `MODEL_TOO_SLOW`, `MODEL_LOAD` */
export async function loadModel(opened: OpenedUse) {
  const { uncheckedModel, trees, choice, proven } = opened
  const { model, modelFile } = uncheckedModel
  const { lanes, threads, notes } = await lanesOf(opened)
  const { signature, placement: { provider, notes: skipped } = ON_CPU } = proven.runner
  const evaluator: Evaluator =
    typeof trees === 'string' ? { by: 'onnxruntime', why: trees, provider } : { by: 'trees' }
  const factor = typeof trees === 'string' ? FILE_FACTORS.onnxruntime : FILE_FACTORS.trees
  const { label } = choice
  const identity = {
    label,
    features: model.features.length,
    columns: scoreColumns(model.outputs).length,
    ...(choice.isGuarded && { guardMs: choice.latencyBudgetMs }),
  }
  const size = { bytes: (SESSION_BYTES + factor * modelFile.size) * lanes.length, threads }
  const floats = signature.outputs.filter(({ type }) => type === 'float32')
  const float32 = new Set(floats.map(({ name }) => name))
  const about = { name: model.name, label, sha256: modelFile.sha256, evaluator, size, float32 }
  const scorer = scorerOf(
    about,
    new BatchScorer(identity, lanes),
    wholeFeaturesOf(model, signature),
  )
  return {
    scorer,
    lanes,
    notes: [...modelFile.notes, ...notes, ...skipped, ...typeNotes(label, signature)],
    signature,
  }
}

async function lanesOf(opened: OpenedUse) {
  const { proven, trees, choice, isInline } = opened
  const { runner, isAlone } = proven
  const all = [runner]
  const openOther = async () => {
    const other = await openOn(!isInline, opened)
    all.push(other)
    return other
  }
  try {
    if (typeof trees !== 'string') return await treeLane(runner, choice)
    return await chooseLanes({ runner, isInline, isAlone, openOther }, choice)
  } catch (error) {
    await Promise.all(all.map((openRunner) => openRunner.close()))
    throw error
  }
}

/** Checks each lane: trees, threads and single rows might change scores. @throws Refused */
export async function shareModel(
  { scorer, lanes, signature }: LoadedModel,
  { uncheckedModel, choice, use }: ReadUse,
): Promise<{ scorer: Scorer; notes: readonly string[] }> {
  let golden: Golden | null = null
  for (const { runner, rows } of lanes) {
    const run: Runner['run'] = (batch, count) => runner.run(batch, count)
    const lent = { signature, run, close: async () => {} }
    const proven = await proveModel(uncheckedModel, async () => lent, rows)
    golden = proven.golden
  }
  const notes = goldenNotes(use, choice.label, golden)
  const { sha256, evaluator, size, float32 } = scorer
  const about = { name: use.model.name, label: choice.label, sha256, evaluator, size, float32 }
  const isOwn = scorer.name === about.name && scorer.label === about.label
  return { scorer: isOwn ? scorer : scorerOf(about, scorer), notes }
}

function typeNotes(label: string, { inputs }: Signature): string[] {
  if (inputs.every(({ type }) => type !== 'float64')) return []
  return [
    `${label} takes float64 and gets float32, which features are: golden rows show whether that matters`,
  ]
}

function scorerOf(
  about: About,
  scorer: Omit<Scorer, keyof About>,
  wholeFeatures: Parameters<typeof scoreFitting>[1] = [],
): Scorer {
  const score: Scorer['score'] = (rows, count, yields) => scorer.score(rows, count, yields)
  return {
    ...about,
    get maxBatch() {
      return scorer.maxBatch
    },
    answerMs: (rows) => scorer.answerMs(rows),
    passOver: () => scorer.passOver(),
    get state() {
      return scorer.state
    },
    score: scoreFitting(score, wholeFeatures),
    close: () => scorer.close(),
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
