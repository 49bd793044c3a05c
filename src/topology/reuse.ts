import type { DurationMs } from '../kernel/time.ts'
import type { Table } from './lookup.ts'

// Reuse of scores that were made before: the choices of an author, and the data that they become.

/** Scores `S` in the rows `R` of a table, for events `E` with features `K`. */
export interface Reuse<E, K extends string, R, S> {
  /**
   * The row of an event is that of its key: the source's, or behind a tumbling window the window's.
   * Its field `tidemark-model`, which the lines of `tidemark batch` have, says which model scored
   * it; without one, the name of the table stands for it.
   */
  table: Table<R>
  /** The score in a row, with all outputs of the step. */
  score: (row: R) => S
  /** The time of that score, ms since the epoch: event time, because it is compared with that. */
  at: (row: R) => number
  /** The score of a row is reused for events from its time up to this much later. Above 0. */
  maxAge: DurationMs
  /** Events that are scored live, whatever their row. @default none */
  unless?: (event: E) => boolean
  /** Compares the features of row and event. @default they are not compared */
  drift?: Drift<K, R, S>
}

/**
 * The drift of an event is the mean over the features that the step's models take of the absolute
 * difference between row and event, in standard deviations (population) of that feature over all
 * rows of the table. If it cannot be told, the event is scored live: a feature is missing on one
 * side only, or differs and has no deviation. Refused of a table with `asOf`: `NOT_SUPPORTED`.
 */
export interface Drift<K extends string, R, S> {
  /** The features in a row, by name. */
  features: (row: R) => { readonly [F in K]?: number | null | undefined }
  /** The most for which the score of the row is the event's. 0 or more. */
  threshold: number
  /**
   * The score of an event above the threshold. Probabilities are brought within 0 and 1.
   * @default such an event is scored live
   */
  adjust?: (score: S, drift: number) => S
}

/** Facts about a score that was reused. */
export interface Reused {
  /** How much later the event is than the score, ms. */
  readonly ageMs: number
  /** `null`: it is not measured. */
  readonly drift: number | null
  /**
   * 0 to 1: of a probability p `max(p, 1 − p)`, of classes the largest, times `1 − drift`, at least
   * 0; of the first output. `null`: that is not a probability.
   */
  readonly confidence: number | null
}

/** See {@link Reuse}. */
export interface ReuseDefinition {
  readonly table: string
  readonly score: (row: unknown) => unknown
  readonly at: (row: unknown) => unknown
  readonly maxAgeMs: number
  /** `null`: no event is left out. */
  readonly unless: ((event: unknown) => boolean) | null
  /** `null`: features are not compared. */
  readonly drift: DriftDefinition | null
}

export interface DriftDefinition {
  /** The features that are compared. */
  readonly names: readonly string[]
  readonly features: (row: unknown) => unknown
  readonly threshold: number
  /** `null`: an event above the threshold is scored live. */
  readonly adjust: ((score: unknown, drift: number) => unknown) | null
}

/** The route of events whose score is reused. */
export const REUSE = 'reuse'

/** The features in a row, float32; NaN where it has none. Throws if the author's function does. */
export function featuresIn({ names, features }: DriftDefinition, row: unknown): Float32Array {
  const values = features(row) as Readonly<Record<string, unknown>>
  return Float32Array.from(names, (name) => {
    const value = values[name]
    return typeof value === 'number' ? value : Number.NaN
  })
}
