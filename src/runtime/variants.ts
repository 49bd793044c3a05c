import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Scorer } from '../scoring/scorer.ts'
import { BATCH, chooseVariant, inWords, type TriedVariant } from '../scoring/step-models.ts'
import type { Definition, ScoreStep } from '../topology/definition.ts'
import { isEligible, rankedVariants, scoreStepsOf, type Variant } from '../topology/graph.ts'
import type { ChosenVariants } from './commit/checkpoint-metadata.ts'

// From the variants of a score step to the one that this worker would choose.

/** Score step → the variant that the operator has chosen for it. */
export type OperatorsVariants = ReadonlyMap<string, string>

/** The variants of a score step, as a start has found them. */
export interface StepVariants {
  readonly topology: string
  readonly step: string
  /** The name of the one that this worker would choose. */
  readonly best: string
  /** Why that one, in words. */
  readonly why: string
  /** Who decides: the operator; the first worker of the group; each batch. */
  readonly decides: 'operator' | 'group' | 'batch'
  /** What it was chosen from, one line for each variant. */
  readonly lines: readonly string[]
  /** By name: why variants could not be loaded. */
  readonly failed: ReadonlyMap<string, readonly TidemarkError[]>
}

/** What is known of a step's variants when they have been loaded. */
export interface LoadedVariants {
  /** By name. */
  readonly scorers: ReadonlyMap<string, Scorer>
  /** By name: why some could not be loaded. */
  readonly failed: ReadonlyMap<string, readonly TidemarkError[]>
  readonly chosen: OperatorsVariants
}

/** The variants that a start loads: all that are accurate enough, or the operator's. */
export function variantsToLoad(step: ScoreStep, chosen: OperatorsVariants): readonly Variant[] {
  const eligible = rankedVariants(step).filter((variant) => isEligible(variant, step))
  const own = eligible.find(({ name }) => name === chosen.get(step.name))
  return own === undefined ? eligible : [own]
}

/** Has the operator chosen one of these variants? */
export function isChosen(step: ScoreStep, chosen: OperatorsVariants): boolean {
  return variantsToLoad(step, chosen).some(({ name }) => name === chosen.get(step.name))
}

/** The longest name of a variant, where the group keeps the choice: for the room of a commit. */
export function longestVariants(definitions: readonly Definition[]): ChosenVariants {
  const all = definitions.map(({ name, then }): [string, Map<string, string>] => {
    const own = scoreStepsOf(then).flatMap((step): [string, string][] => {
      if (step.variants === null) return []
      const [longest = ''] = step.variants.names.toSorted((a, b) => b.length - a.length)
      return [[step.name, longest]]
    })
    return [name, new Map(own)]
  })
  return new Map(all.filter(([, own]) => own.size > 0))
}

/** `CONFIG_INVALID` for each choice of the operator's that no step offers. */
export function choiceFaults(
  definitions: readonly Definition[],
  chosen: OperatorsVariants,
): TidemarkError[] {
  const steps = definitions
    .flatMap(({ then }) => scoreStepsOf(then))
    .filter(({ variants }) => variants !== null)
  const namesOf = (step: ScoreStep) => variantsToLoad(step, new Map()).map(({ name }) => name)
  const offers = steps.flatMap((step) => namesOf(step).map((name) => `${step.name}=${name}`))
  const hint = `there are: ${offers.join(', ') || 'none'}`
  return [...chosen].flatMap(([step, variant]) => {
    const choice = `${step}=${variant}`
    if (offers.includes(choice)) return []
    const own = steps.filter((s) => s.name === step && s.variants?.names.includes(variant))
    // That none of its variants is accurate enough is a fault of the step.
    if (own.some((s) => namesOf(s).length === 0)) return []
    const what =
      own.length === 0
        ? `no topology offers the variant ${choice}`
        : `the variant ${choice} does not meet minAccuracy`
    return new TidemarkError('CONFIG_INVALID', what, { where: '--variant', hint })
  })
}

/** A score step with variants. */
interface VariantStep {
  readonly definition: Definition
  readonly step: ScoreStep
  readonly budgetMs: number
}

/**
 * Chooses one of a step's variants.
 *
 * @returns the faults if none can be chosen: `MODEL_TOO_SLOW`, and why variants could not be loaded
 */
export function tryVariants(
  of: VariantStep,
  loaded: LoadedVariants,
): StepVariants | { readonly faults: readonly TidemarkError[] } {
  const { definition, step, budgetMs } = of
  const { chosen, failed } = loaded
  const tried = rankedVariants(step).map((model) => triedOf(model, step, loaded))
  const lines = tried.map((variant) => inWords(variant, budgetMs))
  const own = isChosen(step, chosen) ? chosen.get(step.name) : undefined
  const best = own ?? chooseVariant(tried, budgetMs)?.model.name
  if (best === undefined) return { faults: noneFits(of, loaded, lines) }
  const within = `the most accurate that scores ${BATCH} rows within ${formatDuration(budgetMs)}`
  return {
    topology: definition.name,
    step: step.name,
    best,
    why: own === undefined ? within : 'as the operator has chosen',
    decides: own !== undefined ? 'operator' : step.variants?.adapt ? 'batch' : 'group',
    lines,
    failed,
  }
}

function triedOf(
  model: Variant,
  step: ScoreStep,
  { scorers, failed }: LoadedVariants,
): TriedVariant {
  const scorer = scorers.get(model.name) ?? null
  if (scorer !== null) return { model, scorer }
  if (!isEligible(model, step)) {
    return { model, scorer, why: `does not meet minAccuracy ${step.variants?.minAccuracy}` }
  }
  const faults = failed.get(model.name)?.map(({ code, message }) => `${code}, ${message}`)
  return { model, scorer, why: faults?.join('; ') ?? 'not loaded' }
}

function noneFits(
  { definition, step, budgetMs }: VariantStep,
  { scorers, failed }: LoadedVariants,
  lines: readonly string[],
): readonly TidemarkError[] {
  const faults = [...failed.values()].flat()
  if (scorers.size === 0) return faults
  const what = `no variant scores ${BATCH} rows within ${formatDuration(budgetMs)}`
  const hint = `raise the budget, add a faster variant, or choose one nevertheless: --variant ${step.name}=NAME`
  const where = `${definition.name}/${step.name}`
  const message = [what, ...lines].join('\n    ')
  return [...faults, new TidemarkError('MODEL_TOO_SLOW', message, { where, hint })]
}
