import { accuracyFault, byAccuracy, isAtLeast, type StatedAccuracy } from './accuracy.ts'
import { isTrained, type ModelDefinition, type ScoreStep } from './definition.ts'

/** A model that says how accurate it is. */
export type Variant = ModelDefinition & { readonly accuracy: StatedAccuracy }

/** The variants of a step, the most accurate first; of equal ones, in the author's order. */
export function rankedVariants({ variants, models }: ScoreStep): Variant[] {
  return [...new Set(variants?.names)]
    .flatMap((name) => models[name] ?? [])
    .filter(isTrained)
    .filter(isVariant)
    .toSorted((a, b) => byAccuracy(a.accuracy, b.accuracy))
}

/** Without a valid accuracy it is not one, and its topology is refused. */
function isVariant(model: ModelDefinition): model is Variant {
  return model.accuracy !== undefined && accuracyFault(model.accuracy) === null
}

/** Is a variant accurate enough to be chosen? */
export function isEligible({ accuracy }: Variant, { variants }: ScoreStep): boolean {
  const least = variants?.minAccuracy ?? null
  return least === null || isAtLeast(accuracy, least)
}
