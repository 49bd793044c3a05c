import type { PartitionOffsets } from '../../connect/port.ts'
import { Refused, TidemarkError } from '../../kernel/errors.ts'
import { formatDuration } from '../../kernel/time.ts'
import type { LoadedScorers } from '../../scoring/models.ts'
import { BATCH, chooseVariant, inWords } from '../../scoring/step-models.ts'
import type { StepScorer } from '../../scoring/step-scorer.ts'
import type { Definition, ScoreStep } from '../../topology/definition.ts'
import { isEligible, rankedVariants, scoreStepsOf, type Variant } from '../../topology/graph.ts'
import {
  type CheckpointMetadata,
  type ChosenVariants,
  decodeMetadata,
} from '../commit/checkpoint-metadata.ts'
import { type Prepared, type PreparedTopology, type StepVariants, scorersOf } from '../prepared.ts'

// The first worker of a group chooses the variant of a step. The group then commits the choice in
// its notes, so that only the operator changes the model, and neither a rebalance nor a busy
// machine. Two workers that start at the same moment may choose differently, until the note of the
// lowest-numbered partition decides at the next start: outputs of a worker that changed its model
// while it runs could not be replayed alike.

/** Score step → the variant that the operator has chosen for it. */
export type OperatorsVariants = ReadonlyMap<string, string>

function eligibleVariants(step: ScoreStep): readonly Variant[] {
  return rankedVariants(step).filter((variant) => isEligible(variant, step))
}

/** The variant that the operator has chosen, if it is accurate enough. */
export function chosenVariant(step: ScoreStep, chosen: OperatorsVariants): Variant | undefined {
  return eligibleVariants(step).find(({ name }) => name === chosen.get(step.name))
}

export function variantsToLoad(step: ScoreStep, chosen: OperatorsVariants): readonly Variant[] {
  const variant = chosenVariant(step, chosen)
  return variant === undefined ? eligibleVariants(step) : [variant]
}

/** `CONFIG_INVALID` for each choice of the operator's that no step offers. */
export function choiceFaults(definitions: readonly Definition[], chosen: OperatorsVariants) {
  const steps = definitions
    .flatMap(({ then }) => scoreStepsOf(then))
    .filter(({ variants }) => variants !== null)
  const offers = steps.flatMap((step) =>
    eligibleVariants(step).map(({ name }) => `${step.name}=${name}`),
  )
  const hint = `there are: ${offers.join(', ') || 'none'}`
  return [...chosen].flatMap(([step, variant]) => {
    const choice = `${step}=${variant}`
    if (offers.includes(choice)) return []
    const fitting = steps.filter((s) => s.name === step && s.variants?.names.includes(variant))
    // That none of its variants is accurate enough is a fault of the step.
    if (fitting.some((s) => eligibleVariants(s).length === 0)) return []
    const message =
      fitting.length === 0
        ? `no topology offers the variant ${choice}`
        : `the variant ${choice} does not meet minAccuracy`
    return new TidemarkError('CONFIG_INVALID', message, { where: '--variant', hint })
  })
}

/** The longest name of a variant of each step, to find the largest note. */
export function longestVariants(definitions: readonly Definition[]): ChosenVariants {
  const all = definitions.map(({ name, then }): [string, Map<string, string>] => {
    const variants = scoreStepsOf(then).flatMap((step): [string, string][] => {
      if (step.variants === null) return []
      const [longest = ''] = step.variants.names.toSorted((a, b) => b.length - a.length)
      return [[step.name, longest]]
    })
    return [name, new Map(variants)]
  })
  return new Map(all.filter(([, variants]) => variants.size > 0))
}

export interface VariantStep {
  readonly definition: Definition
  readonly step: ScoreStep
}

/** By name: the scorers, and why some could not be loaded. */
interface LoadedVariants extends Pick<LoadedScorers, 'scorers' | 'failed'> {
  readonly chosen: OperatorsVariants
}

/**
 * Finds the variant that this worker would choose.
 * @returns the faults if none can be chosen: `MODEL_TOO_SLOW`, and why variants could not be loaded
 */
export function tryVariants(
  place: VariantStep,
  loaded: LoadedVariants,
): StepVariants | { readonly faults: readonly TidemarkError[] } {
  const { definition, step } = place
  const { latencyBudgetMs: budgetMs } = step
  const { chosen, failed } = loaded
  const tried = rankedVariants(step).map((model) => triedOf(model, step, loaded))
  const lines = tried.map((variant) => inWords(variant, budgetMs))
  const variant = chosenVariant(step, chosen)
  const best = variant ?? chooseVariant(tried, budgetMs)?.model
  if (best === undefined) return { faults: noneFits(place, loaded, lines) }
  const within = `the most accurate that scores ${BATCH} rows within ${formatDuration(budgetMs)}`
  return {
    topology: definition.name,
    step: step.name,
    best: best.name,
    why: variant === undefined ? within : 'as the operator has chosen',
    decides: variant !== undefined ? 'operator' : step.variants?.adapt ? 'batch' : 'group',
    lines,
    failed,
  }
}

function triedOf(model: Variant, step: ScoreStep, { scorers, failed }: LoadedVariants) {
  const scorer = scorers.get(model.name) ?? null
  if (scorer !== null) return { model, scorer }
  if (!isEligible(model, step)) {
    return { model, scorer, why: `does not meet minAccuracy ${step.variants?.minAccuracy}` }
  }
  const faults = failed.get(model.name)?.map(({ code, message }) => `${code}, ${message}`)
  return { model, scorer, why: faults?.join('; ') ?? 'not loaded' }
}

function noneFits(
  { definition, step }: VariantStep,
  { scorers, failed }: LoadedVariants,
  lines: readonly string[],
): readonly TidemarkError[] {
  const faults = [...failed.values()].flat()
  if (scorers.size === 0) return faults
  const first = `no variant scores ${BATCH} rows within ${formatDuration(step.latencyBudgetMs)}`
  const hint = `raise the budget, add a faster variant, or choose one nevertheless: --variant ${step.name}=NAME`
  const where = `${definition.name}/${step.name}`
  const message = [first, ...lines].join('\n    ')
  return [...faults, new TidemarkError('MODEL_TOO_SLOW', message, { where, hint })]
}

/**
 * Settles once for each step which of its variants scores, and closes the others.
 * @returns notes for the operator
 * @throws Refused: a variant that the group has chosen could not be loaded
 */
export async function settleVariants(
  prepared: Pick<Prepared, 'topologies' | 'variants'>,
  offsets: readonly PartitionOffsets[],
): Promise<string[]> {
  const { topologies } = prepared
  const loaded = topologies.flatMap(scorersOf)
  // A step that has settled stays with its variant, whatever the group has committed since.
  const variants = prepared.variants.filter(
    (choice) => scorerIn(topologies, choice).variant === null,
  )
  const found = findVariants({ topologies, variants }, offsets)
  for (const one of found) scorerIn(topologies, one).settleFor(one.variant)
  // Steps with the same model may share its sessions.
  const used = new Set(topologies.flatMap(scorersOf).map(({ sha256 }) => sha256))
  await Promise.all(loaded.filter((s) => !used.has(s.sha256)).map((scorer) => scorer.close()))
  return found.map(({ note }) => note)
}

/** Finds the variants, and settles nothing. @throws as {@link settleVariants} */
export function findVariants(
  { topologies, variants }: Pick<Prepared, 'topologies' | 'variants'>,
  offsets: readonly PartitionOffsets[],
) {
  return variants
    .filter(({ decides }) => decides !== 'batch')
    .map((choice) => {
      const { topology, step } = choice
      const loaded = [...scorerIn(topologies, choice).scorers.keys()]
      const found = foundFor(choice, loaded, committedVariant(choice, topologies, offsets))
      return { topology, step, ...found, note: `${topology}/${step}: ${found.note}` }
    })
}

/** @param kept the variant that the group has committed */
function foundFor(choice: StepVariants, loaded: readonly string[], kept: string | null) {
  const { best, why, lines } = choice
  const from = lines.join('; ')
  const chosen = (note: string) => ({ variant: best, note: `${best} ${note}` })
  if (choice.decides === 'operator') {
    return chosen(`scores, ${why}${kept === null || kept === best ? '' : `, instead of ${kept}`}`)
  }
  if (kept === null) return chosen(`is chosen for the group, ${why}: ${from}`)
  if (kept === best) return chosen('is kept, as the group has committed')
  if (loaded.includes(kept)) {
    const note = `${kept} is kept, as the group has committed, although ${best} is here ${why} (--variant ${choice.step}=${best} changes that): ${from}`
    return { variant: kept, note }
  }
  const faults = choice.failed.get(kept)
  if (faults !== undefined) throw new Refused(faults.map((fault) => asKept(fault, choice)))
  return chosen(`is chosen for the group, ${why}, since ${kept} cannot be chosen any more: ${from}`)
}

function asKept({ code, message }: TidemarkError, { topology, step }: StepVariants) {
  const hint = `the group scores with it: choose another one for all of its workers with --variant ${step}=NAME`
  return new TidemarkError(code, message, { where: `${topology}/${step}`, hint })
}

function topologyOf(topologies: readonly PreparedTopology[], name: string): PreparedTopology {
  return topologies.find(({ definition }) => definition.name === name) as PreparedTopology
}

function scorerIn(
  topologies: readonly PreparedTopology[],
  { topology, step }: Pick<StepVariants, 'topology' | 'step'>,
): StepScorer {
  return topologyOf(topologies, topology).scorers.get(step) as StepScorer
}

/** The variant in the note of the lowest-numbered partition that has one; `null`: none has. */
function committedVariant(
  { topology, step }: StepVariants,
  topologies: readonly PreparedTopology[],
  offsets: readonly PartitionOffsets[],
): string | null {
  const { source } = topologyOf(topologies, topology).definition
  const ofSource = offsets
    .filter(({ topic }) => topic === source.topic)
    .toSorted((a, b) => a.partition - b.partition)
  for (const { committed } of ofSource) {
    const note = committed === null ? null : decodeMetadata(committed.metadata)
    const variant = note?.variants.get(topology)?.get(step)
    if (variant !== undefined) return variant
  }
  return null
}

/** The variants that score. */
export function variantsOf(topologies: readonly PreparedTopology[]): ChosenVariants {
  const all = topologies.map(({ definition, scorers }): [string, Map<string, string>] => {
    const variants = [...scorers].flatMap(([step, { variant }]): [string, string][] =>
      variant === null ? [] : [[step, variant]],
    )
    return [definition.name, new Map(variants)]
  })
  return new Map(all.filter(([, variants]) => variants.size > 0))
}

/** Whether the note of a partition says all of these variants. */
export function areNoted(variants: ChosenVariants, note: CheckpointMetadata | null): boolean {
  return changesOf(variants, note).every(({ before, now }) => before === now)
}

/** One note for each step whose events in a partition were scored by another variant before. */
export function variantNotes(
  topologies: readonly PreparedTopology[],
  note: CheckpointMetadata | null,
): string[] {
  return changesOf(variantsOf(topologies), note)
    .filter(({ before, now }) => before !== undefined && before !== now)
    .map(
      ({ step, before, now }) =>
        `${step}: events of partitions that were scored by ${before} before are scored by ${now} on this worker, until its next start`,
    )
}

function changesOf(variants: ChosenVariants, note: CheckpointMetadata | null) {
  return [...variants].flatMap(([topology, steps]) =>
    [...steps].map(([step, now]) => {
      const before = note?.variants.get(topology)?.get(step)
      return { step: `${topology}/${step}`, before, now }
    }),
  )
}
