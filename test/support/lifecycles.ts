import { MEMBER } from '../../src/connect/group-member.ts'
import type { LifecycleTable } from '../../src/kernel/lifecycle.ts'
import { PARTITION } from '../../src/runtime/partition/assigned-partition.ts'
import { WORKER } from '../../src/runtime/worker.ts'

type Table = LifecycleTable<string>

/** All lifecycle tables, by their name in the sources. */
export const TABLES: Readonly<Record<string, Table>> = { WORKER, PARTITION, MEMBER }

/** All states of a table. */
export function statesOf({ next }: Table): string[] {
  return Object.keys(next)
}

/** The states that may follow a state, and why. */
export function followersOf({ next }: Table, state: string): [follower: string, why: string][] {
  return Object.entries(next[state] ?? {}) as [string, string][]
}
