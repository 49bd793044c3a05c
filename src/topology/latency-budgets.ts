import type { DurationMs } from '../kernel/time.ts'

/**
 * How soon predictions should be there after their events have come to the worker, and how soon
 * they must be, ms.
 */
export interface LatencyLimits {
  readonly targetMs: number
  readonly maximumMs: number
}

/** What predictions may be for. `null`: nobody waits for them. */
export const LATENCY_LIMITS = {
  fraud: { targetMs: 50, maximumMs: 100 },
  recommendations: { targetMs: 100, maximumMs: 200 },
  search: { targetMs: 20, maximumMs: 50 },
  ads: { targetMs: 10, maximumMs: 25 },
  chat: { targetMs: 200, maximumMs: 500 },
  batch: null,
} as const satisfies Record<string, LatencyLimits | null>

/** A use of predictions, which says how soon they are needed: see docs/models.md. */
export type LatencyUse = keyof typeof LATENCY_LIMITS

/** @default of `latencyBudget` */
const BATCH_MS = 50
/** Where nobody waits, larger batches than this make no row cheaper. */
const PATIENT_BATCH_MS = 1_000
/** Of the target: the rest is for windows, encoding and the commit. */
const BATCH_SHARE = 0.5

/** What a score step keeps of the budget that it was given. */
export interface LatencyBudget {
  /** The longest that one batch may take. */
  readonly latencyBudgetMs: number
  /** Set by a use alone. */
  readonly latency?: LatencyLimits & { readonly use: LatencyUse }
}

export function latencyBudgetOf(given: DurationMs | LatencyUse = BATCH_MS as DurationMs) {
  return typeof given === 'string' ? budgetFor(given) : { latencyBudgetMs: given }
}

/** A use that is none, as from JavaScript, has a budget that the check refuses. */
function budgetFor(use: LatencyUse): LatencyBudget {
  if (!Object.hasOwn(LATENCY_LIMITS, use)) return { latencyBudgetMs: Number.NaN }
  const limits = LATENCY_LIMITS[use]
  if (limits === null) return { latencyBudgetMs: PATIENT_BATCH_MS }
  return { latencyBudgetMs: limits.targetMs * BATCH_SHARE, latency: { use, ...limits } }
}
