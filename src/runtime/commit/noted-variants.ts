import type { PreparedTopology } from '../prepared.ts'
import type { CheckpointMetadata, ChosenVariants } from './checkpoint-metadata.ts'

/** The variants that score. */
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
