import type { WorkerState } from '../runtime/events.ts'
import { type Left, leftOf, type Readiness } from './health.ts'

// The health of several workers together: ready when every worker is, alive while every worker
// answers.

/** The readiness of one of several workers. */
export interface WorkerReadiness extends Omit<Readiness, 'state'> {
  readonly worker: number
  /**
   * `restarting`: its process has ended, and a new one is being started · `silent`: its process
   * does not answer.
   */
  readonly state: WorkerState | 'restarting' | 'silent'
}

interface ReadinessOfAll {
  readonly ready: boolean
  /** Sums over all workers. */
  readonly partitions: number
  readonly restoring: number
  readonly restoringLeft?: Left
  readonly workers: readonly WorkerReadiness[]
}

interface LivenessOfAll {
  readonly live: boolean
  /** The workers that do not answer. */
  readonly silent: readonly number[]
}

/** Each worker's readiness, and that of all of them together. */
export function readinessOfAll(workers: readonly WorkerReadiness[]): ReadinessOfAll {
  const left = workers.flatMap(({ restoringLeft }) => restoringLeft ?? [])
  const sum = (of: (worker: WorkerReadiness) => number) =>
    workers.reduce((total, worker) => total + of(worker), 0)
  return {
    ready: workers.every(({ ready }) => ready),
    partitions: sum(({ partitions }) => partitions),
    restoring: sum(({ restoring }) => restoring),
    ...(left.length === 0 ? {} : { restoringLeft: leftOf(left) }),
    workers,
  }
}

/**
 * The liveness of all workers together. A worker whose process has ended is restarted by its
 * parent, so it counts as alive; one that hangs is noticed only here.
 */
export function livenessOfAll(workers: readonly WorkerReadiness[]): LivenessOfAll {
  const silent = workers.filter(({ state }) => state === 'silent').map(({ worker }) => worker)
  return { live: silent.length === 0, silent }
}
