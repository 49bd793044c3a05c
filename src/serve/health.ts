import type { ObservedWorker } from '../observe/observed-worker.ts'
import type { WorkerState } from '../runtime/events.ts'

// The answers to liveness and readiness probes, such as those of Kubernetes, of one worker and of
// several together.

export interface Probes {
  /** Whether it is alive. If not, it must be restarted. */
  liveness(): Promise<{ readonly live: boolean }>
  /** Whether it is working. */
  readiness(): Promise<{ readonly ready: boolean }>
}

export interface Readiness {
  readonly ready: boolean
  readonly state: WorkerState
  readonly partitions: number
  readonly restoring: number
  readonly restoringLeft?: { readonly records: number }
  /** Tables that are being read before the first event: how many records, of about how many. */
  readonly tables?: readonly Readonly<{ table: string; records: number; of: number }>[]
  readonly reason?: string
}

export interface WorkerReadiness extends Omit<Readiness, 'state'> {
  readonly worker: number
  /**
   * `restarting`: its process has ended, and a new one is being started · `silent`: its process
   * does not answer.
   */
  readonly state: WorkerState | 'restarting' | 'silent'
}

/**
 * Probes of a single worker. That it answers at all proves it alive: restarting it does not bring a
 * broker back.
 */
export function probesOf(worker: ObservedWorker): Probes {
  return { liveness: async () => ({ live: true }), readiness: async () => readinessOf(worker) }
}

export function readinessOf(worker: ObservedWorker): Readiness {
  const { state, reason, partitions, restores, loading } = worker
  const records = restores.reduce((sum, { last }) => sum + last.toOffset - last.nextOffset, 0)
  const tables = [...loading.values()].map(({ table, records: read, total }) => {
    return { table, records: read, of: total }
  })
  return {
    ready: state === 'running' && restores.length === 0,
    state,
    partitions: partitions.length,
    restoring: restores.length,
    ...(restores.length === 0 ? {} : { restoringLeft: { records } }),
    ...(tables.length === 0 ? {} : { tables }),
    ...(reason === undefined ? {} : { reason }),
  }
}

export function readinessOfAll(workers: readonly WorkerReadiness[]) {
  const sum = (read: (worker: WorkerReadiness) => number) =>
    workers.reduce((total, worker) => total + read(worker), 0)
  const isLeft = workers.some(({ restoringLeft }) => restoringLeft !== undefined)
  const records = sum(({ restoringLeft }) => restoringLeft?.records ?? 0)
  return {
    ready: workers.every(({ ready }) => ready),
    partitions: sum(({ partitions }) => partitions),
    restoring: sum(({ restoring }) => restoring),
    ...(isLeft ? { restoringLeft: { records } } : {}),
    workers,
  }
}

/**
 * The liveness of all workers together. A worker whose process has ended is restarted by its
 * parent, so it counts as alive; one that hangs is noticed only here.
 */
export function livenessOfAll(workers: readonly WorkerReadiness[]) {
  const silent = workers.filter(({ state }) => state === 'silent').map(({ worker }) => worker)
  return { live: silent.length === 0, silent }
}
