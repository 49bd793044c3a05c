import { Refused, TidemarkError } from '../kernel/errors.ts'
import type { PartitionOffsets } from '../records/port.ts'
import type { StepScorer } from '../scoring/step-scorer.ts'
import {
  type CheckpointMetadata,
  type ChosenVariants,
  decodeMetadata,
} from './commit/checkpoint-metadata.ts'
import { type Prepared, type PreparedTopology, scorersOf } from './prepare.ts'
import type { StepVariants } from './variants.ts'

// Which of its variants scores the events of a step. The first worker of a group chooses. From then
// on the choice is in the notes that the group commits, so that neither a rebalance nor a busy
// machine changes the model, only the operator does. Two workers that started at the same moment
// may have chosen differently. Then the note of the lowest-numbered partition decides at the next
// start; none changes the model while it runs, since its outputs would not be replayed alike.

/** Which variant a step will score with. */
export interface Settled {
  readonly topology: string
  readonly step: string
  /** The name of the variant. */
  readonly variant: string
  /** What the operator should know about it. */
  readonly note: string
}

/**
 * Settles for each step which of its variants scores, before the group is joined, and closes the
 * others. A worker does it once.
 *
 * @param offsets what the group has committed in all partitions
 * @returns notes for the operator
 * @throws Refused: a variant that the group has chosen could not be loaded
 */
export async function settleVariants(
  prepared: Pick<Prepared, 'topologies' | 'variants'>,
  offsets: readonly PartitionOffsets[],
): Promise<string[]> {
  const { topologies } = prepared
  const loaded = topologies.flatMap(scorersOf)
  const notes: string[] = []
  // A step that has settled stays with its variant, whatever the group has committed since.
  const variants = prepared.variants.filter((of) => scorerIn(topologies, of).variant === null)
  for (const { topology, step, variant, note } of findVariants({ topologies, variants }, offsets)) {
    scorerIn(topologies, { topology, step }).settleFor(variant)
    notes.push(note)
  }
  // Steps with the same model may share its sessions.
  const used = new Set(topologies.flatMap(scorersOf).map(({ sha256 }) => sha256))
  await Promise.all(loaded.filter((s) => !used.has(s.sha256)).map((scorer) => scorer.close()))
  return notes
}

/** Finds them, and settles nothing. @throws as {@link settleVariants} */
export function findVariants(
  { topologies, variants }: Pick<Prepared, 'topologies' | 'variants'>,
  offsets: readonly PartitionOffsets[],
): Settled[] {
  return variants
    .filter(({ decides }) => decides !== 'batch')
    .map((of) => {
      const { topology, step } = of
      const loaded = [...scorerIn(topologies, of).scorers.keys()]
      const found = foundFor(of, { loaded, kept: committedVariant(of, topologies, offsets) })
      return { topology, step, ...found, note: `${topology}/${step}: ${found.note}` }
    })
}

type Found = Pick<Settled, 'variant' | 'note'>

/**
 * @param o the variants that are loaded, and the one that the group has committed
 * @throws Refused: that one could not be loaded
 */
function foundFor(
  of: StepVariants,
  { loaded, kept }: { readonly loaded: readonly string[]; readonly kept: string | null },
): Found {
  const { best, why, lines } = of
  const from = lines.join('; ')
  const chosen = (note: string): Found => ({ variant: best, note: `${best} ${note}` })
  if (of.decides === 'operator') {
    return chosen(`scores, ${why}${kept === null || kept === best ? '' : `, instead of ${kept}`}`)
  }
  if (kept === null) return chosen(`is chosen for the group, ${why}: ${from}`)
  if (kept === best) return chosen('is kept, as the group has committed')
  if (loaded.includes(kept)) {
    const note = `${kept} is kept, as the group has committed, although ${best} is here ${why} (--variant ${of.step}=${best} changes that): ${from}`
    return { variant: kept, note }
  }
  const faults = of.failed.get(kept)
  if (faults !== undefined) throw new Refused(faults.map((fault) => asKept(fault, of)))
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

/** What the lowest-numbered partition says that says something; `null`: none does. */
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

/** The variants that topologies score with, to be committed. */
export function variantsOf(topologies: readonly PreparedTopology[]): ChosenVariants {
  const all = topologies.map(({ definition, scorers }): [string, Map<string, string>] => {
    const own = [...scorers].flatMap(([step, { variant }]): [string, string][] =>
      variant === null ? [] : [[step, variant]],
    )
    return [definition.name, new Map(own)]
  })
  return new Map(all.filter(([, own]) => own.size > 0))
}

/** Does the note of a partition say all of these variants? */
export function areNoted(variants: ChosenVariants, note: CheckpointMetadata | null): boolean {
  return changesOf(variants, note).every(({ before, now }) => before === now)
}

/** One note for each step whose events in a partition were scored by another variant before. */
export function variantNotes(
  topologies: readonly PreparedTopology[],
  note: CheckpointMetadata | null,
): string[] {
  return changesOf(variantsOf(topologies), note).flatMap(({ step, before, now }) =>
    before === undefined || before === now
      ? []
      : [
          `${step}: events of partitions that were scored by ${before} before are scored by ${now} on this worker, until its next start`,
        ],
  )
}

interface Change {
  /** `topology/step` */
  readonly step: string
  /** As the note says. */
  readonly before: string | undefined
  readonly now: string
}

function changesOf(variants: ChosenVariants, note: CheckpointMetadata | null): Change[] {
  return [...variants].flatMap(([topology, steps]) =>
    [...steps].map(([step, now]) => {
      const before = note?.variants.get(topology)?.get(step)
      return { step: `${topology}/${step}`, before, now }
    }),
  )
}
