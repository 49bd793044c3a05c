import type { DurationMs } from '../kernel/time.ts'

/**
 * How soon predictions should be committed after the worker has received their events, ms, and how
 * soon at the latest.
 */
export interface LatencyLimits {
  readonly targetMs: number
  readonly maximumMs: number
}

/** The uses of predictions, with their latency limits. `null`: latency does not matter. */
export const LATENCY_LIMITS = {
  fraud: { targetMs: 50, maximumMs: 100 },
  recommendations: { targetMs: 100, maximumMs: 200 },
  search: { targetMs: 20, maximumMs: 50 },
  ads: { targetMs: 10, maximumMs: 25 },
  chat: { targetMs: 200, maximumMs: 500 },
  batch: null,
} as const satisfies Record<string, LatencyLimits | null>

/** What predictions are used for, which implies how soon they are needed: see docs/models.md. */
export type LatencyUse = keyof typeof LATENCY_LIMITS

/** @default of `latencyBudget`, ms */
const BATCH_MS = 50
/** ms, where latency does not matter: larger batches would not make a row cheaper. */
const PATIENT_BATCH_MS = 1_000
/** Share of the target for one batch; the rest is for windows, encoding and the commit. */
const BATCH_SHARE = 0.5

/** The latency budget of a score step. */
export interface LatencyBudget {
  /** The longest that one batch may take, ms. */
  readonly latencyBudgetMs: number
  /** The limits of the use; absent if the budget was given as a duration. */
  readonly latency?: LatencyLimits & { readonly use: LatencyUse }
}

/** @param given duration of one batch, or a use of predictions; @default 50 ms */
export function latencyBudgetOf(given: DurationMs | LatencyUse = BATCH_MS as DurationMs) {
  return typeof given === 'string' ? budgetFor(given) : { latencyBudgetMs: given }
}

/** For an unknown use, as JavaScript may pass, the budget is NaN: the check at start refuses it. */
function budgetFor(use: LatencyUse): LatencyBudget {
  if (!Object.hasOwn(LATENCY_LIMITS, use)) return { latencyBudgetMs: Number.NaN }
  const limits = LATENCY_LIMITS[use]
  if (limits === null) return { latencyBudgetMs: PATIENT_BATCH_MS }
  return { latencyBudgetMs: limits.targetMs * BATCH_SHARE, latency: { use, ...limits } }
}
