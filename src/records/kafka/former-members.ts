import type { Cluster } from 'kafkajs'
import type { Coordinator } from './coordination.ts'
import { whenSettled, within } from './waiting.ts'

/**
 * Members of this driver that failed, and so may have been cut off from their group before they could leave it. At the next
 * rebalance the group would wait for such a member until its session has passed; so the next one that joins takes it
 * out of the group first.
 */
export class FormerMembers {
  readonly #idsOf = new Map<string, Set<string>>()

  add(groupId: string, memberId: string): void {
    const ids = this.#idsOf.get(groupId) ?? new Set()
    this.#idsOf.set(groupId, ids.add(memberId))
  }

  /** Takes those of a group out of it. Never throws: one that cannot be is waited for. */
  async takeOut(groupId: string, cluster: Cluster): Promise<void> {
    const ids = this.#idsOf.get(groupId) ?? []
    this.#idsOf.delete(groupId)
    for (const memberId of ids) {
      const leaving = whenSettled(async () => {
        const coordinator = (await cluster.findGroupCoordinator({ groupId })) as Coordinator
        await coordinator.leaveGroup({ groupId, memberId })
      })
      // Most have left already; the group says then that it does not know them.
      await within(5_000, 'leaving', leaving).catch(() => {})
    }
  }
}
