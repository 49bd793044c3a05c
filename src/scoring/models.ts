import { configFault, orFault, Refused, refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { groupedBy } from '../kernel/grouped.ts'
import type { ModelDefinition } from '../topology/models.ts'
import {
  type EvaluatorChoice,
  type LoadedModel,
  loadModel,
  type ModelUse,
  openUse,
  type ReadUse,
  readUse,
  shareModel,
} from './load-model.ts'
import { type ModelCache, usersModelCache } from './model-cache.ts'
import { ONLY_CPU, unknownProviders } from './onnx-runtime.ts'
import { megabytes, type Scorer } from './scorer.ts'

interface LoadOptions {
  /** @default 'auto' */
  readonly evaluator?: EvaluatorChoice
  /** @default the CPU */
  readonly providers?: readonly string[]
  /** @default the user's cache */
  readonly cache?: ModelCache
  /** @default +Infinity */
  readonly maxBytes?: number
  /** Memory of other models, bytes. @default 0 */
  readonly takenBytes?: number
}

export interface LoadedScorers {
  /** By step; empty when there are faults. */
  readonly scorers: ReadonlyMap<string, Scorer>
  readonly faults: TidemarkError[]
  /** The faults of models that may fail, by step. */
  readonly failed: ReadonlyMap<string, readonly TidemarkError[]>
  readonly notes: string[]
  readonly bytes: number
}

/**
 * Opens all models side by side, each on the thread on which it will run, and measures them one
 * after the other, undisturbed. Steps that run the same bytes in the same way share sessions.
 * `chosen`: files that the operator uses, by model name. Returns all faults at once: `MODEL_*`, and
 * `CONFIG_INVALID` for a chosen name that no step uses. After a fault, no model stays loaded.
 */
export async function loadScorers(
  uses: readonly ModelUse[],
  chosen: ReadonlyMap<string, string>,
  options: LoadOptions = {},
): Promise<LoadedScorers> {
  const { evaluator = 'auto', providers = ONLY_CPU, cache = usersModelCache() } = options
  const faultsByUse = new Map<ModelUse, readonly TidemarkError[]>()
  const faultsOf = (use: ModelUse) => faultsByUse.get(use) ?? []
  /** The result; `null`: it failed, and its use has the faults. */
  const attempted = async <T>(use: ModelUse, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work()
    } catch (error) {
      faultsByUse.set(use, error instanceof Refused ? error.faults : [orFault(error)])
      return null
    }
  }
  /** Opens the first of some that run in the same way; if it has faults, the next. */
  const openOne = async (same: readonly ReadUse[]) => {
    for (const [i, modelUse] of same.entries()) {
      const first = await attempted(modelUse.use, () => openUse(modelUse))
      if (first !== null) return [{ first, same: same.slice(i) }]
    }
    return []
  }
  const read = await Promise.all(
    uses.map((use) => {
      const file = chosen.get(use.model.name) ?? null
      return attempted(use, () => readUse(use, { file, evaluator, providers, cache }))
    }),
  )
  const readUses = read.filter((modelUse) => modelUse !== null)
  const alike = groupedBy(readUses, ({ way }) => way)
  const opened = await Promise.all([...alike.values()].map(openOne))
  const loaded: LoadedModel[] = []
  const scorers = new Map<string, Scorer>()
  const notes = new Map<ModelUse, readonly string[]>()
  for (const { first, same } of opened.flat()) {
    const model = await attempted(first.use, () => loadModel(first))
    if (model === null) {
      for (const { use } of same) faultsByUse.set(use, faultsOf(first.use))
      continue
    }
    let isUsed = false
    for (const modelUse of same) {
      const share = await attempted(modelUse.use, () => shareModel(model, modelUse))
      if (share === null) continue
      isUsed = true
      scorers.set(modelUse.use.step, share.scorer)
      notes.set(modelUse.use, modelUse === same[0] ? [...share.notes, ...model.notes] : share.notes)
    }
    if (isUsed) loaded.push(model)
    else await model.scorer.close()
  }
  const required = uses.filter(({ mayFail }) => mayFail !== true)
  const all = [
    ...unusedChoices(uses, chosen),
    ...(await unknownProviders(providers)),
    ...new Set(required.flatMap(faultsOf)),
    ...sizeFaults(loaded, options),
  ]
  const mayFail = uses.filter((use) => use.mayFail && faultsByUse.has(use))
  const failed = new Map(mayFail.map((use) => [use.step, faultsOf(use)]))
  if (all.length === 0) {
    const allNotes = uses.flatMap((use) => notes.get(use) ?? [])
    return { scorers, faults: [], failed, notes: [...new Set(allNotes)], bytes: bytesOf(loaded) }
  }
  await Promise.all(loaded.map(({ scorer }) => scorer.close()))
  return { scorers: new Map(), faults: all, failed, notes: [], bytes: 0 }
}

function sizeFaults(
  loaded: readonly LoadedModel[],
  { maxBytes = Number.POSITIVE_INFINITY, takenBytes = 0 }: LoadOptions,
): TidemarkError[] {
  const all = takenBytes + bytesOf(loaded)
  if (all <= maxBytes) return []
  const others = takenBytes > 0 ? [`others ${megabytes(takenBytes)}`] : []
  const sizes = loaded.map(({ scorer }) => `${scorer.label} ${megabytes(scorer.size.bytes)}`)
  const each = [...others, ...sizes]
  const message = `the models take ${megabytes(all)}, the limit is ${megabytes(maxBytes)}: ${each.join(', ')}`
  const hint = 'raise --max-model-mb, or use smaller models'
  return [new TidemarkError('MODEL_LIMIT', message, { hint })]
}

function bytesOf(loaded: readonly LoadedModel[]): number {
  return loaded.reduce((sum, { scorer }) => sum + scorer.size.bytes, 0)
}

function unusedChoices(uses: readonly ModelUse[], chosen: ReadonlyMap<string, string>) {
  const names = new Set(uses.map((use) => use.model.name))
  const hint = `models in use: ${[...names].join(', ') || 'none'}`
  return [...chosen.keys()]
    .filter((name) => !names.has(name))
    .map((name) => configFault(`no topology uses a model "${name}"`, undefined, hint))
}

export interface SingleOptions {
  readonly evaluator: EvaluatorChoice
  /** @default the CPU */
  readonly providers?: readonly string[]
  readonly latencyBudgetMs: number
}

/** @throws Refused with the faults for which a worker would refuse it */
export async function loadSingle(
  model: ModelDefinition,
  { latencyBudgetMs, ...options }: SingleOptions,
): Promise<{ scorer: Scorer; notes: readonly string[] }> {
  const use = { step: model.name, model, missing: 'nan', latencyBudgetMs } as const
  const { scorers, faults, notes } = await loadScorers([use], new Map(), options)
  refuseIfAny(faults)
  return { scorer: scorers.get(model.name) as Scorer, notes }
}
