import type { Observer, RuntimeEvent, WorkerState } from '../runtime/events.ts'

/** What probes of the surroundings ask, such as those of Kubernetes. */
export interface Probes {
  /** Must it be restarted? */
  liveness(): Promise<{ readonly live: boolean }>
  /** Is it at work? */
  readiness(): Promise<{ readonly ready: boolean }>
}

/** How far a worker is. */
export interface Readiness {
  readonly ready: boolean
  readonly state: WorkerState
  /** Partitions assigned now, of every topology. */
  readonly partitions: number
  /** Those of them that read again what their windows need. */
  readonly restoring: number
  /** What is left for them to read, and about how long the longest of them takes, ms. */
  readonly restoringLeft?: Left
  /** Why it is in this state, where that was told. */
  readonly reason?: string
}

export interface Left {
  readonly records: number
  readonly ms: number
}

export interface Health {
  readonly observer: Observer
  readiness(): Readiness
}

/**
 * What is asked of a worker by itself. An answer at all is the proof that it lives: restarting it
 * does not bring a broker back.
 */
export function probesOf(health: Health): Probes {
  return {
    liveness: async () => ({ live: true }),
    readiness: async () => health.readiness(),
  }
}

/**
 * Follows a worker's state. Ready means running, with no windows to be restored. A worker runs once
 * the group has given it its partitions, be they none: one that stands by for others is ready, and
 * stays so while the group rebalances.
 */
export function createHealth(): Health {
  const partitions = new Set<string>()
  const restoring = new Map<string, Left>()
  let state: WorkerState = 'starting'
  let reason: string | undefined
  return {
    observer: (event) => {
      if (event.type === 'state') {
        state = event.state
        reason = event.reason
      } else if (event.type === 'assigned') partitions.add(idOf(event))
      else if (event.type === 'restoring') {
        const records = event.toOffset - event.nextOffset
        restoring.set(idOf(event), { records, ms: Math.round(event.leftMs) })
      } else if (event.type === 'restored') restoring.delete(idOf(event))
      else if (event.type === 'lost') {
        partitions.delete(idOf(event))
        restoring.delete(idOf(event))
      }
    },
    readiness: () => ({
      ready: state === 'running' && restoring.size === 0,
      state,
      partitions: partitions.size,
      restoring: restoring.size,
      ...(restoring.size === 0 ? {} : { restoringLeft: leftOf([...restoring.values()]) }),
      ...(reason === undefined ? {} : { reason }),
    }),
  }
}

/** Of several partitions, which are read at the same time. */
export function leftOf(all: readonly Left[]): Left {
  const records = all.reduce((sum, left) => sum + left.records, 0)
  return { records, ms: Math.max(...all.map((left) => left.ms)) }
}

function idOf({
  topology,
  partition,
}: Extract<RuntimeEvent, { type: 'assigned' | 'lost' | 'restoring' | 'restored' }>): string {
  return JSON.stringify([topology, partition.topic, partition.partition])
}
