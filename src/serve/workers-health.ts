import type { WorkerState } from '../runtime/events.ts'
import { type Left, leftOf, type Readiness } from './health.ts'

// What several workers are together: ready when each of them is, and alive while each of them
// answers.

/** How one of them is. */
export interface WorkerReadiness extends Omit<Readiness, 'state'> {
  readonly worker: number
  /**
   * `restarting`: its process has ended, and another is started · `silent`: its process does not
   * answer.
   */
  readonly state: WorkerState | 'restarting' | 'silent'
}

interface ReadinessOfAll {
  readonly ready: boolean
  /** Of all of them. */
  readonly partitions: number
  readonly restoring: number
  readonly restoringLeft?: Left
  readonly workers: readonly WorkerReadiness[]
}

interface LivenessOfAll {
  readonly live: boolean
  /** Those that do not answer. */
  readonly silent: readonly number[]
}

/** What each of them says, and what they are together. */
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
 * One that has ended is started again by its parent, so that nobody else has to; one that hangs
 * nobody else sees.
 */
export function livenessOfAll(workers: readonly WorkerReadiness[]): LivenessOfAll {
  const silent = workers.filter(({ state }) => state === 'silent').map(({ worker }) => worker)
  return { live: silent.length === 0, silent }
}
