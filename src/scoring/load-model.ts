import { createHash } from 'node:crypto'
import { refuseIfAny } from '../kernel/errors.ts'
import { EDITION } from '../trees/edition.ts'
import { BatchScorer, type Lane } from './batch-scorer.ts'
import { type Candidate, candidateOf, labelOf } from './candidate.ts'
import { type Golden, readGolden } from './golden.ts'
import { goldenDifferences } from './golden-check.ts'
import { chooseLanes, isKnownInline, type LaneChoice, treeLane } from './lanes.ts'
import { type Proven, proveModel } from './load-gate.ts'
import { InlineRunner, type MeasuredRunner } from './measured-runner.ts'
import type { ModelCache } from './model-cache.ts'
import type { EvaluatorChoice, ModelUse } from './model-use.ts'
import { openInline, openInThread } from './open-model.ts'
import { readingOf } from './runner.ts'
import { scoreColumns } from './score-columns.ts'
import type { Evaluator, Scorer } from './scorer.ts'
import type { Signature } from './signature.ts'
import { provenTrees } from './tree-gate.ts'
import type { TreeRunner } from './tree-runner.ts'
import { sampleRows } from './warm-up.ts'
import { readWeight, type Weight, weighApart } from './weigh-apart.ts'

// The steps in which a model is loaded: read, opened and checked, measured.

/** What the operator chose for a model. */
interface OperatorChoice {
  /** `null`: the model's own file. */
  readonly file: string | null
  readonly evaluator: EvaluatorChoice
  readonly cache: ModelCache
}

/** A model of a step whose file has been read. */
export interface ReadUse {
  readonly use: ModelUse
  readonly candidate: Candidate
  /** What computes it; a string: ONNX Runtime does, and why. */
  readonly trees: TreeRunner | string
  /** The same for models that run the same bytes in the same way. */
  readonly way: string
  readonly choice: Omit<LaneChoice, 'isAlone' | 'openInline' | 'openInThread'>
}

/** @throws TidemarkError `MODEL_FILE` */
export async function readUse(use: ModelUse, chosen: OperatorChoice): Promise<ReadUse> {
  const { model, latencyBudgetMs, hasFallback = false, isBackground = false } = use
  const { file, evaluator, cache } = chosen
  const candidate = await candidateOf({ model, where: use.where ?? use.step }, file)
  const { found, where } = candidate
  const why = isBackground ? 'as every shadow is' : 'as you chose'
  const trees = evaluator === 'auto' ? await provenTrees(found, model, cache) : why
  const isGuarded = hasFallback && typeof trees === 'string'
  const { input, outputs, features } = model
  const how = [latencyBudgetMs, isGuarded, isBackground]
  const way = [found.sha256, input, outputs, features.length, ...how]
  const sample = sampleRows(features.length, await readableGolden(candidate))
  const dependsOn = {
    model: found.sha256,
    reading: readingOf(model),
    evaluator: typeof trees === 'string' ? null : EDITION,
    sample: createHash('sha256').update(sample).digest('hex'),
  }
  const measured = { sample, features: features.length, cache, dependsOn }
  const limits = { latencyBudgetMs, isGuarded, isBackground }
  const choice = { label: labelOf(candidate), where, ...limits, ...measured }
  return { use, candidate, trees, way: JSON.stringify(way), choice }
}

/** `null`: there are none, or they have faults, which are reported when the model is checked. */
async function readableGolden({ golden, where }: Candidate): Promise<Golden | null> {
  return golden && (await readGolden(golden, where).catch(() => null))
}

/** A model that has been opened and has passed all checks where it was opened. */
export interface OpenedUse {
  readonly read: ReadUse
  readonly proven: Proven
  readonly isInline: boolean
}

/**
 * Opens a model, on this thread only if it is known that it will run there alone, and checks it.
 *
 * @throws Refused · TidemarkError `MODEL_LOAD`
 */
export async function openUse(read: ReadUse): Promise<OpenedUse> {
  const { candidate, trees, choice } = read
  if (typeof trees !== 'string') {
    const opened = { runner: new InlineRunner(trees), signature: trees.signature }
    return { read, proven: await proveModel(candidate, async () => opened), isInline: true }
  }
  const isInline = await isKnownInline(choice)
  const proven = await proveModel(candidate, isInline ? openInline : threadFor(read.use))
  return { read, proven, isInline }
}

/** Opens a model on the thread that it will have. */
function threadFor({ isBackground }: ModelUse): typeof openInline {
  return (candidate) => openInThread(candidate, isBackground)
}

/**
 * Measures a model and makes its lanes and its scorer.
 *
 * @throws Refused · TidemarkError `MODEL_TOO_SLOW`, `MODEL_LOAD`
 */
export async function loadModel(opened: OpenedUse): Promise<LoadedModel> {
  const { read, proven } = opened
  const { candidate, trees, choice } = read
  const { model, found } = candidate
  const { lanes, threads, notes } = await lanesOf(opened)
  const weight = await weightOf(read)
  const evaluator: Evaluator =
    typeof trees === 'string' ? { by: 'onnxruntime', why: trees } : { by: 'trees' }
  const identity = {
    name: model.name,
    label: choice.label,
    sha256: found.sha256,
    evaluator,
    size: { bytes: weight && weight.bytes * lanes.length, threads },
    features: model.features.length,
    columns: scoreColumns(model.outputs).length,
    ...(choice.isGuarded && { guardMs: choice.latencyBudgetMs }),
  }
  const scorer = new BatchScorer(identity, lanes)
  return new LoadedModel(scorer, { lanes, notes, signature: proven.signature })
}

/** What one session takes; `null`: it could not be weighed. */
async function weightOf({ candidate, trees, choice }: ReadUse): Promise<Weight | null> {
  const { found, model } = candidate
  const isTrees = typeof trees !== 'string'
  try {
    return await choice.cache.known({
      kind: 'weights',
      dependsOn: { model: found.sha256, isTrees, edition: EDITION },
      read: readWeight,
      find: () => weighApart({ bytes: found.bytes, reading: model, isTrees }),
    })
  } catch {
    return null
  }
}

async function lanesOf({ read, proven, isInline }: OpenedUse) {
  const { candidate, trees, choice } = read
  const { runner, isAlone } = proven
  const opened = [runner]
  const openMore = (open: typeof openInline) => async (): Promise<MeasuredRunner> => {
    const more = await open(candidate)
    opened.push(more.runner)
    return more.runner
  }
  const more = { openInline: openMore(openInline), openInThread: openMore(threadFor(read.use)) }
  try {
    if (typeof trees !== 'string') return await treeLane(runner, choice)
    return await chooseLanes({ runner, isInline }, { ...choice, ...more, isAlone })
  } catch (error) {
    await Promise.all(opened.map((one) => one.close()))
    throw error
  }
}

/** What {@link LoadedModel} needs to know besides its scorer. */
interface Loaded {
  readonly lanes: readonly Lane[]
  readonly notes: readonly string[]
  readonly signature: Signature
}

/** A model that has been loaded, for all steps that run the same bytes in the same way. */
export class LoadedModel {
  readonly scorer: Scorer
  readonly #loaded: Loaded

  constructor(scorer: Scorer, loaded: Loaded) {
    this.scorer = scorer
    this.#loaded = loaded
  }

  /** Warnings about how it runs. */
  get notes(): readonly string[] {
    return this.#loaded.notes
  }

  /**
   * Checks the model against the definition and the golden rows of one step, in each of its lanes,
   * since trees, another thread, sorted rows or single rows might change the scores.
   *
   * @throws Refused
   */
  async shareWith(read: ReadUse): Promise<{ scorer: Scorer; notes: readonly string[] }> {
    const { candidate, choice, use } = read
    const { lanes, signature } = this.#loaded
    let golden: Golden | null = null
    for (const { runner, rows } of lanes) {
      const lent = new InlineRunner({ run: (of, n) => runner.run(of, n), close: async () => {} })
      const proven = await proveModel(candidate, async () => ({ runner: lent, signature }))
      golden = proven.golden
      if (golden === null) continue
      refuseIfAny(await goldenDifferences(golden, { runner, atMost: rows }, proven.check))
    }
    const notes = goldenNotes(use, choice.label, golden)
    const { scorer } = this
    const isOwn = scorer.label === choice.label && scorer.name === use.model.name
    return { scorer: isOwn ? scorer : named(scorer, use.model.name, choice.label), notes }
  }
}

/** The same scorer under another name. */
function named(scorer: Scorer, name: string, label: string): Scorer {
  const { sha256, evaluator, size } = scorer
  return {
    ...{ name, label, sha256, evaluator, size },
    get maxBatch() {
      return scorer.maxBatch
    },
    answerMs: (rows) => scorer.answerMs(rows),
    passOver: () => scorer.passOver(),
    get state() {
      return scorer.state
    },
    score: (rows, count) => scorer.score(rows, count),
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
