import { type DurationMs, millis } from '../kernel/time.ts'
import type { Model, ModelRule } from './models.ts'
import type { Reuse } from './reuse.ts'

// The arguments of `.score`. Types, and the latency budget; score-builder.ts turns them into data.

export type AnyOnnxModel = Model<readonly string[], unknown>
export type AnyModel = AnyOnnxModel | ModelRule<never, string>
export type CommonOutputs<M> = Common<OutputsOf<M>>
type Common<O> = { readonly [P in keyof O & string]: O[P] }
type OutputsOf<M> =
  M extends Model<readonly string[], infer O>
    ? O
    : M extends ModelRule<never, infer O>
      ? { readonly [P in O]: { readonly column: number } }
      : never

/**
 * A rule for the events of a model. `E` is the event, `K` its features, `N` the models' names.
 *
 * `share` is the share of the keys, 0 to 1 in steps of 1/10,000, that it is for, else refused at
 * start: `TOPOLOGY_INVALID`. The hash of a key decides whether it is in: `(murmur2(name + '/' +
 * key) & 0x7fffffff) % 10000 < share * 10000`, over UTF-8, with Kafka's murmur2. So a key stays in
 * while the share grows and the name is kept.
 */
export type Route<E, K extends string, N extends string> = {
  to: N
  /** The name of the rule, in `s.route` and `tidemark-route`. @default the name of the model */
  name?: string
} & (
  | {
      /** Pure, and called for each event that no rule before it has taken. */
      when: RouteWhen<E, K>
      /** @default all */
      share?: number
    }
  | { share: number; when?: never }
)
/**
 * Whether a rule holds. @param features as the model sees them, float32; the carried not rounded
 * @param eventTimeMs ms since the epoch: see {@link hourOfDay}
 */
export type RouteWhen<E, K extends string> = (
  event: E,
  features: Readonly<Record<K, number>>,
  eventTimeMs: number,
) => boolean

/** A model that is only watched: its scores are compared with the published ones. */
export interface Shadow {
  /**
   * The topic of its scores: `{ model, score, main }` in JSON. Best effort: some may be missing, or
   * there twice with one `tidemark-id`. @default none; only metrics compare them
   */
  sink?: string
  /** The share of the keys that it scores, as of a rule named `shadow.` and its name. @default 1 */
  share?: number
}

type ScoreOf<P> = P extends { readonly columns: readonly (infer C extends string)[] }
  ? { readonly [K in C]: number }
  : number
/** A score, by output of the model. */
export type ScoreBy<O> = { readonly [P in keyof O]: ScoreOf<O[P]> }

/**
 * Several models, and which of them scores an event. `M` are the models by name, `R` the rows whose
 * scores are reused.
 */
export interface SeveralModels<E, K extends string, M, R = never> {
  /** The models by name. Files with the same bytes share one session. */
  models: M
  /** The first rule that holds decides. @default none */
  route?: readonly Route<E, K, NoInfer<keyof M & string>>[]
  /** The model of the events for which no rule holds. */
  otherwise: NoInfer<keyof M & string>
  /**
   * The model of an event whose own model cannot score it: its score is not finite, the run fails
   * on it, or the model's thread has died or hangs. If it cannot either, the event is a dead letter
   * with both reasons. @default none: such an event is a dead letter, and without its thread the
   * worker ends
   */
  fallback?: NoInfer<keyof M & string>
  /**
   * When the fallback scores besides. `budget`: if the model would not answer within the latency
   * budget, for all that waits. @default never
   */
  fallbackOn?: readonly 'budget'[]
  /** Models that are only watched, without delaying an event. @default none */
  shadow?: { readonly [N in NoInfer<keyof M & string>]?: Shadow }
  /**
   * Scores that were made before, such as by a nightly batch, for the events whose key has one in a
   * table: no model is run for these, no rule is asked, and no shadow scores them. Their route is
   * `reuse`, which no model and no rule may have as a name. A row whose functions throw, or whose
   * time or score is not finite, is not reused: its event is scored live. @default none
   */
  reuse?: Reuse<E, K, R, ScoreBy<CommonOutputs<M[keyof M]>>>
}

/**
 * Several models for the same task, of which the most accurate one that is fast enough scores. It
 * is chosen once for the group, and kept with the commits of the group.
 */
export interface ModelVariants {
  /** The variants, which must have different names and state their accuracy by the same measure. */
  variants: readonly AnyOnnxModel[]
  /** The longest that a batch of 32 rows may take. It is the latency budget of the step, too. */
  budget: DurationMs
  /** The least accuracy that the chosen one may state; of errors, `mae`, the most. @default any */
  minAccuracy?: number
  /**
   * Chooses for each batch instead, by the waiting rows: by the wall clock, which a replay does not
   * repeat. Such outputs have the header `tidemark-by-clock`. @default false
   */
  adapt?: boolean
}

/** How a score step treats its rows. `C` are the names of the features that are carried. */
export interface ScoreOptions<C extends string> {
  /**
   * Features that the model does not take, so that functions after it have them:
   * `s.features.batchScore`. They may be NaN or infinite; JSON then has `null`. @default none
   */
  carry?: readonly C[]
  /** `nan` passes NaN features to the model. @default dead letters `FEATURE_NOT_FINITE` */
  missing?: 'nan'
  /**
   * The longest that one batch may take; more than 0. It limits the size of the batches. A model
   * that needs longer for a single row is refused at start: `MODEL_TOO_SLOW`.
   *
   * Or the use of the predictions: then a batch may take half of its target, and predictions that
   * take longer than its target or maximum, from when the worker receives the chunk to when it is
   * committed, are counted and logged. Target and maximum, ms: `fraud` 50 and 100 ·
   * `recommendations` 100 and 200 · `search` 20 and 50 · `ads` 10 and 25 · `chat` 200 and 500 ·
   * `batch` has neither, and a batch may take 1 s. @default 50 ms
   */
  latencyBudget?: DurationMs | LatencyUse
}

/** How soon predictions should be committed after the worker has received their events, ms. */
export interface LatencyLimits {
  readonly targetMs: number
  readonly maximumMs: number
}

/** By use of the predictions. `null`: latency does not matter. */
export const LATENCY_LIMITS = {
  fraud: { targetMs: 50, maximumMs: 100 },
  recommendations: { targetMs: 100, maximumMs: 200 },
  search: { targetMs: 20, maximumMs: 50 },
  ads: { targetMs: 10, maximumMs: 25 },
  chat: { targetMs: 200, maximumMs: 500 },
  batch: null,
} as const satisfies Record<string, LatencyLimits | null>

/** A use of predictions, which tells how soon they are needed: see docs/models.md. */
export type LatencyUse = keyof typeof LATENCY_LIMITS

/** ms, where latency does not matter: larger batches would not make a row cheaper. */
const PATIENT_BATCH_MS = 1_000
/** Share of the target for one batch; the rest is for windows, encoding and the commit. */
const BATCH_SHARE = 0.5

export interface LatencyBudget {
  readonly latencyBudgetMs: number
  /** Absent if the budget was given as a duration. */
  readonly latency?: LatencyLimits & { readonly use: LatencyUse }
}

/** An unknown use, as JavaScript may pass, gives NaN, which the check at start refuses. */
export function latencyBudgetOf(budget: DurationMs | LatencyUse = millis(50)): LatencyBudget {
  if (typeof budget !== 'string') return { latencyBudgetMs: budget }
  if (!Object.hasOwn(LATENCY_LIMITS, budget)) return { latencyBudgetMs: Number.NaN }
  const limits = LATENCY_LIMITS[budget]
  if (limits === null) return { latencyBudgetMs: PATIENT_BATCH_MS }
  return { latencyBudgetMs: limits.targetMs * BATCH_SHARE, latency: { use: budget, ...limits } }
}
