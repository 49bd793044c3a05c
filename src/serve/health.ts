import type { Observer, RuntimeEvent, WorkerState } from '../runtime/events.ts'

/** Answers to liveness and readiness probes, such as those of Kubernetes. */
export interface Probes {
  /** Is it alive? If not, it must be restarted. */
  liveness(): Promise<{ readonly live: boolean }>
  /** Is it working? */
  readiness(): Promise<{ readonly ready: boolean }>
}

/** The readiness of a worker. */
export interface Readiness {
  readonly ready: boolean
  readonly state: WorkerState
  /** Partitions assigned now, of every topology. */
  readonly partitions: number
  /** Those of them that are restoring their windows. */
  readonly restoring: number
  /** Records that they still have to read. */
  readonly restoringLeft?: Left
  /** The tables that are being read before the first event, and how far they are. */
  readonly tables?: readonly TableProgress[]
  /** Why it is in this state, where a reason is known. */
  readonly reason?: string
}

/** How many records of a table's topic are read, of about how many. */
interface TableProgress {
  readonly table: string
  readonly records: number
  readonly of: number
}

/** The rest of a restore. */
export interface Left {
  readonly records: number
}

/** Follows a worker and answers whether it is ready. */
export interface Health {
  readonly observer: Observer
  readiness(): Readiness
}

/**
 * Probes of a single worker. That it answers at all proves it alive: restarting it does not bring a
 * broker back.
 */
export function probesOf(health: Health): Probes {
  return {
    liveness: async () => ({ live: true }),
    readiness: async () => health.readiness(),
  }
}

/**
 * Follows a worker's state. Ready means running, with no windows left to restore. A worker is
 * running once the group has assigned its partitions, even if that is none: a standby worker is
 * ready, and stays ready while the group rebalances.
 */
export function createHealth(): Health {
  const partitions = new Set<string>()
  const restoring = new Map<string, Left>()
  const loading = new Map<string, TableProgress>()
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
        restoring.set(idOf(event), { records })
      } else if (event.type === 'table-loading') {
        const { table, records, total } = event
        loading.set(table, { table, records, of: total })
      } else if (event.type === 'table-loaded') loading.delete(event.table)
      else if (event.type === 'restored') restoring.delete(idOf(event))
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
      ...(loading.size === 0 ? {} : { tables: [...loading.values()] }),
      ...(reason === undefined ? {} : { reason }),
    }),
  }
}

/** Combines several restores, which run at the same time. */
export function leftOf(all: readonly Left[]): Left {
  const records = all.reduce((sum, left) => sum + left.records, 0)
  return { records }
}

function idOf({
  topology,
  partition,
}: Extract<RuntimeEvent, { type: 'assigned' | 'lost' | 'restoring' | 'restored' }>): string {
  return JSON.stringify([topology, partition.topic, partition.partition])
}
