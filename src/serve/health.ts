import type { Observer, WorkerState } from '../runtime/events.ts'

interface Readiness {
  readonly ready: boolean
  readonly state: WorkerState
  /** Partitions assigned now, of every topology. */
  readonly partitions: number
  /** Why it is in this state, where that was told. */
  readonly reason?: string
}

export interface Health {
  readonly observer: Observer
  readiness(): Readiness
}

/**
 * Follows a worker's state. Ready means running. A worker runs once the group has given it its partitions, be they
 * none: one that stands by for others is ready, and stays so while the group rebalances.
 */
export function createHealth(): Health {
  const partitions = new Set<string>()
  let state: WorkerState = 'starting'
  let reason: string | undefined
  return {
    observer: (event) => {
      if (event.type === 'state') {
        state = event.state
        reason = event.reason
      } else if (event.type === 'assigned' || event.type === 'lost') {
        const { topic, partition } = event.partition
        const id = JSON.stringify([event.topology, topic, partition])
        if (event.type === 'assigned') partitions.add(id)
        else partitions.delete(id)
      }
    },
    readiness: () => ({
      ready: state === 'running',
      state,
      partitions: partitions.size,
      ...(reason === undefined ? {} : { reason }),
    }),
  }
}
