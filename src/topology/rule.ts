import type { Anything } from '../kernel/author-types.ts'
import type { RuleDefinition } from './definition.ts'

/**
 * A model that is a function of the author's. `P` is what it takes of the features, by name; `O`
 * are the names of its outputs.
 */
export interface Rule<P, O extends string> {
  /** The names of its outputs. */
  readonly outputs: readonly O[]
  /** Outputs are marked with the name that the score step gives it, and this version. */
  readonly version: string
  /** Never present; it only carries the type. */
  readonly takes?: (features: P) => void
}

/**
 * Declares a model that is a pure function of the features, such as a fallback for a trained one.
 * The features are numbers as a model sees them, float32; those that are carried are not among
 * them. Written as `(f: { amount: number }) => …`, the compiler checks that the score step has
 * them.
 *
 * If it throws, its event has no score, `SCORE_FAILED`; if it returns a number that is not finite,
 * `SCORE_NOT_FINITE`. Its SHA-256, in `tidemark-model`, is that of its source.
 */
export function rule<P = Anything, const O extends string = string>(
  o: {
    /** The names of its outputs: `s.score.probability`. */
    outputs: readonly O[]
    /** Outputs are marked with it. @default '1' */
    version?: string
  },
  of: (features: P) => Readonly<Record<NoInfer<O>, number>>,
): Rule<P, O> {
  const { outputs, version = '1' } = o
  const made: Rule<P, O> & RuleDefinition = Object.freeze({
    outputs: Object.freeze([...outputs]),
    version,
    of: of as RuleDefinition['of'],
  })
  return made
}
