import { hostname } from 'node:os'
import { takeSlot } from './slot.ts'

/** Instead of a name: the worker is to have none. */
export const NO_NAME = 'none'
/** What is left for the host of the 100 characters that a name may have. */
const LONGEST_HOST = 90

/** By what its group knows a worker. */
export interface WorkerName {
  /** `null`: by nothing that it keeps over restarts. */
  readonly text: string | null
  /** Has it been taken because none was given? */
  readonly isDefault: boolean
  /** Others may take it. */
  readonly release: () => void
}

/**
 * The name that is given; else `<host>-<slot>`, which no other worker of the group has on this
 * machine.
 */
export async function takeName(given: string | undefined, group: string): Promise<WorkerName> {
  const slot = given === undefined ? await takeSlot(group) : null
  if (slot !== null) {
    const text = `${fitHost(hostname())}-${slot.number}`
    return { text, isDefault: true, release: slot.release }
  }
  const text = given === undefined || given === NO_NAME ? null : given
  return { text, isDefault: false, release: () => {} }
}

/** A host's name as a part of a worker's. */
export function fitHost(host: string): string {
  return host.replaceAll(/[^\w.-]+/g, '-').slice(0, LONGEST_HOST) || 'host'
}
