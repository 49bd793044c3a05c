import type { TopicPartition } from '../port.ts'
import type { Brokers } from './brokers.ts'

/** Groups partitions by their known leader; partitions without one are left out. */
export function byLeader<P extends TopicPartition>(
  brokers: Brokers,
  partitions: readonly P[],
): ReadonlyMap<string, readonly P[]> {
  const leaders = new Map<string, P[]>()
  for (const of of partitions) {
    const leader = brokers.leaderOf(of)
    if (leader === undefined) continue
    const list = leaders.get(leader)
    if (list === undefined) leaders.set(leader, [of])
    else list.push(of)
  }
  return leaders
}
