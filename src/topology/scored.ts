import type { Mistake } from '../kernel/author-types.ts'
import type { Feature, Found } from './features.ts'
import type { Model } from './model.ts'
import type { Rule } from './rule.ts'

// The type of a scored event, and what the compiler checks of the features before a model.

/**
 * Checks that the features `K`, without those that are carried, `C`, are exactly those that the
 * model needs, `F`, in any order.
 */
export type SameNames<K extends string, F extends readonly string[], C extends string> = [
  Exclude<F[number], K>,
] extends [never]
  ? [Exclude<K, F[number] | C>] extends [never]
    ? unknown
    : Mistake<`the model has no input '${Exclude<K, F[number] | C>}': leave this feature out, or carry it`>
  : Mistake<`the model needs the feature '${Exclude<F[number], K>}': define it`>
/**
 * Checks that the features `K`, without those that are carried, `C`, are exactly those that the
 * models `M` take together. A rule that does not say what it takes may take any.
 */
export type TakenTogether<K extends string, M, C extends string> = [
  Exclude<TakenByOnnx<M> | TakenByRule<M>, K>,
] extends [never]
  ? string extends TakenByOpenRule<M>
    ? unknown
    : [Exclude<K, TakenByOnnx<M> | TakenByRule<M> | C>] extends [never]
      ? unknown
      : Mistake<`no model has the input '${Exclude<K, TakenByOnnx<M> | TakenByRule<M> | C>}': leave this feature out, or carry it`>
  : Mistake<`a model needs the feature '${Exclude<TakenByOnnx<M> | TakenByRule<M>, K>}': define it`>
type TakenByOnnx<M> = M extends Model<infer F, unknown> ? F[number] : never
type FieldsOfRule<M> = M extends Rule<infer P, string> ? keyof P & string : never
/** What the rules say that they take. */
type TakenByRule<M> = M extends unknown
  ? string extends FieldsOfRule<M>
    ? never
    : FieldsOfRule<M>
  : never
/** `string` if a rule does not say what it takes. */
type TakenByOpenRule<M> = M extends unknown
  ? string extends FieldsOfRule<M>
    ? string
    : never
  : never

/** The names of the features that some events `E` do not have. */
type MissingFeatures<E, Fs> = {
  [K in keyof Fs]: Fs[K] extends Feature<infer N>
    ? unknown extends N
      ? never
      : E extends N
        ? never
        : K
    : never
}[keyof Fs]
/** Checks that every event `E` has all features. */
export type AllDefined<E, Fs> = [MissingFeatures<E, Fs>] extends [never]
  ? unknown
  : Mistake<`some kinds of event have no feature '${MissingFeatures<E, Fs> & string}': call .where(isKind) before .score`>

/** The look-ups of features. */
export type FoundBy<Fs> = {
  [K in keyof Fs]: Fs[K] extends Feature<never, infer L> ? (unknown extends L ? never : L) : never
}[keyof Fs]
/** The rows that the look-ups `L` of a scored event have found; nothing without look-ups. */
export type Looked<L> = [L] extends [never]
  ? unknown
  : {
      /**
       * By the name of the look-up: the row that it found when the features were computed, and
       * `undefined` if there was none.
       */
      readonly lookup: {
        readonly [P in Extract<L, Found<string, unknown>> as P['name']]: P['row'] | undefined
      }
    }

/** A number; for an output with `columns`, one number per named column. */
type ScoreOf<P> = P extends { readonly columns: readonly (infer C extends string)[] }
  ? { readonly [K in C]: number }
  : number

/**
 * An event with its features and the model's scores. `E` is the type of the event, `K` the names of
 * the features, `O` the outputs of the model.
 */
export interface Scored<E, K extends string, O> {
  /** The event that `.features` was called on. */
  readonly event: E
  /**
   * The numbers that the model saw, as float32; NaN only with `missing: 'nan'`. Features that are
   * carried are not rounded, and may be NaN or infinite.
   */
  readonly features: Readonly<Record<K, number>>
  /**
   * One entry per output of the model: a number, or for an output with `columns` an object with one
   * number per column. A float32 is the shortest decimal that rounds to it; a bool is 0 or 1.
   * Always finite: an event with any other score is a dead letter `SCORE_NOT_FINITE`.
   */
  readonly score: { readonly [P in keyof O]: ScoreOf<O[P]> }
  /**
   * The model that scored it: `name@version`. If the operator has replaced the model's file,
   * `name@version+` and the first 8 hex digits of the SHA-256 of that file.
   */
  readonly model: string
  /**
   * Why that model: the name of the rule that held, or of the model for all other events. If the
   * fallback scored it, `fallback:` and why: `score-failed`, `score-not-finite`, `model-failing`,
   * `model-open`, `model-hung`, `model-ended` or `budget`.
   */
  readonly route: string
}
