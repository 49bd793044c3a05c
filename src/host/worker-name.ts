import { hostname } from 'node:os'
import { claimSlot } from './slot.ts'

/** Given in place of a name: the worker has none. */
export const NO_NAME = 'none'
/** The part of a worker name's 100 characters that the host may take. */
const LONGEST_HOST = 90

/** The name by which the group knows a worker. */
export interface WorkerName {
  /** `null`: the worker has no name that it keeps over restarts. */
  readonly text: string | null
  /** Was it chosen because none was given? */
  readonly isDefault: boolean
  /** Lets other workers take the name. */
  readonly release: () => void
}

/**
 * The given name, or else `<host>-<slot>`, which no other worker of the group has on this machine.
 */
export async function claimName(given: string | null, group: string): Promise<WorkerName> {
  const slot = given === null ? await claimSlot(group) : null
  if (slot !== null) {
    const text = `${fitHost(hostname())}-${slot.number}`
    return { text, isDefault: true, release: slot.release }
  }
  const text = given === NO_NAME ? null : given
  return { text, isDefault: false, release: () => {} }
}

/** The host name, made fit for a worker name. */
export function fitHost(host: string): string {
  return host.replaceAll(/[^\w.-]+/g, '-').slice(0, LONGEST_HOST) || 'host'
}
