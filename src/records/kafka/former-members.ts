import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Brokers } from './brokers.ts'
import { type Namesakes, namesakesIn, takeOut } from './namesakes.ts'

const LOOK_MS = 500
/** After its session a member is gone at once, but for what the coordinator has to do meanwhile. */
const NOTICED_MS = 2_000

/** Other members of a group that have this worker's name. */
interface Others extends Omit<Namesakes, 'members'> {
  readonly ids: readonly string[]
}

/**
 * Members that will not come back: those of this driver that failed, and so may have been cut off
 * from their group before they could leave it, and the dead one that had this worker's name. The
 * group would wait for them until their sessions have passed; so whoever joins in their place takes
 * them out first.
 */
export class FormerMembers {
  readonly #idsOf = new Map<string, Set<string>>()
  readonly #name: string | undefined
  readonly #sessionTimeoutMs: number
  #hasTakenPlace = false

  /**
   * @param name that the worker was given, which is also the client id by which its members are
   * known
   */
  constructor(name: string | undefined, sessionTimeoutMs: number) {
    this.#name = name
    this.#sessionTimeoutMs = sessionTimeoutMs
  }

  add(groupId: string, memberId: string): void {
    const ids = this.#idsOf.get(groupId) ?? new Set()
    this.#idsOf.set(groupId, ids.add(memberId))
  }

  /**
   * Takes those of a group out of it. One that cannot be is waited for.
   * @throws TidemarkError `WORKER_NAME_TAKEN`: another worker has the name by now
   */
  async takeOut(groupId: string, brokers: Brokers): Promise<void> {
    const own = this.#idsOf.get(groupId) ?? new Set<string>()
    const others = () => this.#namesakes(groupId, brokers, (id) => own.has(id))
    // Who comes up under a name takes the place of whoever had it; but only once, or two of one
    // name would go on for ever.
    if (this.#hasTakenPlace) await this.#refuseTheLiving(others, brokers.clock)
    const namesakes = await others()
    this.#hasTakenPlace = true
    this.#idsOf.delete(groupId)
    await takeOut(groupId, [...own, ...namesakes.ids], brokers)
  }

  /**
   * @param own by which the group knows the member that asks, which may change while it does
   * @throws TidemarkError `WORKER_NAME_TAKEN`: another member of the group has the name
   */
  async checkName(groupId: string, brokers: Brokers, own: () => string): Promise<void> {
    const others = () => this.#namesakes(groupId, brokers, (id) => id === own())
    await this.#refuseTheLiving(others, brokers.clock)
  }

  /**
   * A member whose answer to joining was lost is this worker's own, by an id that it has never
   * learnt. It is gone when its session has passed, which does not pass while the group waits for
   * others to join again, and begins anew under another coordinator; what is there longer lives.
   */
  async #refuseTheLiving(others: () => Promise<Others>, clock: Clock): Promise<void> {
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
        hint: 'give each worker a name of its own (--worker-name)',
      },
    )
  }

  /** @param isOwn is it the member that asks? */
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
