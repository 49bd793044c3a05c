import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Brokers } from './brokers.ts'
import { type Namesakes, namesakesIn, removeMembers } from './namesakes.ts'

/** How often to look for living namesakes, ms. */
const LOOK_MS = 500
/**
 * How much longer than its session timeout a dead member may stay in the group, since the
 * coordinator has other work, ms.
 */
const NOTICED_MS = 2_000

/** Other members of a group that have this worker's name. */
interface Others extends Omit<Namesakes, 'members'> {
  readonly ids: readonly string[]
}

/**
 * Members that will not come back: members of this driver that failed, and may have been cut off
 * from their group before they could leave it, and the dead member that had this worker's name. The
 * group would wait for them until their sessions time out; so a member that joins in their place
 * removes them first.
 */
export class FormerMembers {
  readonly #idsOf = new Map<string, Set<string>>()
  readonly #name: string | undefined
  readonly #sessionTimeoutMs: number
  #hasTakenPlace = false

  /** @param name the name that the worker was given, which is also the client id of its members */
  constructor(name: string | undefined, sessionTimeoutMs: number) {
    this.#name = name
    this.#sessionTimeoutMs = sessionTimeoutMs
  }

  add(groupId: string, memberId: string): void {
    const ids = this.#idsOf.get(groupId) ?? new Set()
    this.#idsOf.set(groupId, ids.add(memberId))
  }

  /**
   * Removes the former members from a group. A member that cannot be removed is waited for by the
   * group.
   * @throws TidemarkError `WORKER_NAME_TAKEN`: another worker has the name by now
   */
  async remove(groupId: string, brokers: Brokers): Promise<void> {
    const own = this.#idsOf.get(groupId) ?? new Set<string>()
    const others = () => this.#namesakes(groupId, brokers, (id) => own.has(id))
    // A worker that joins under a name replaces the former holder, but only once: otherwise two
    // workers of the same name would replace each other forever.
    if (this.#hasTakenPlace) await this.#refuseIfAlive(others, brokers.clock)
    const namesakes = await others()
    this.#hasTakenPlace = true
    this.#idsOf.delete(groupId)
    await removeMembers(groupId, [...own, ...namesakes.ids], brokers)
  }

  /**
   * @param own returns the current member id of the caller, which may change meanwhile
   * @throws TidemarkError `WORKER_NAME_TAKEN`: another member of the group has the name
   */
  async checkName(groupId: string, brokers: Brokers, own: () => string): Promise<void> {
    const others = () => this.#namesakes(groupId, brokers, (id) => id === own())
    await this.#refuseIfAlive(others, brokers.clock)
  }

  /**
   * Waits until namesakes are gone, and refuses those that live on. A namesake may be this worker's
   * own: if the answer to JoinGroup was lost, it never learnt that member id. Such a member is gone
   * when its session has timed out. The session does not run while the group waits for others to
   * join again, and starts again under another coordinator. A member that stays longer is alive.
   */
  async #refuseIfAlive(others: () => Promise<Others>, clock: Clock): Promise<void> {
    let { ids: suspects, coordinator } = await others()
    let leftMs = this.#sessionTimeoutMs + NOTICED_MS
    while (suspects.length > 0 && leftMs > 0) {
      await clock.sleep(LOOK_MS)
      const now = await others()
      suspects = suspects.filter((id) => now.ids.includes(id))
      const hasMoved = now.coordinator !== (coordinator ?? now.coordinator)
      if (hasMoved) leftMs = this.#sessionTimeoutMs + NOTICED_MS
      else if (!now.isRebalancing) leftMs -= LOOK_MS
      coordinator = now.coordinator ?? coordinator
    }
    if (suspects.length === 0) return
    throw new TidemarkError(
      'WORKER_NAME_TAKEN',
      `another worker of the group has the name "${this.#name}"`,
      {
        hint: 'give each worker its own name (--worker-name)',
      },
    )
  }

  /** @param isOwn is it the caller's own member? */
  async #namesakes(
    group: string,
    brokers: Brokers,
    isOwn: (memberId: string) => boolean,
  ): Promise<Others> {
    if (this.#name === undefined) return { ids: [], isRebalancing: false, coordinator: undefined }
    const { members, ...rest } = await namesakesIn(group, this.#name, brokers)
    return { ids: members.map((m) => m.memberId).filter((id) => !isOwn(id)), ...rest }
  }
}
