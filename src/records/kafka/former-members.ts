import { TidemarkError } from '../../kernel/errors.ts'
import type { Brokers } from './brokers.ts'
import { groupRefusal } from './group-refusal.ts'
import { whenSettled, within } from './waiting.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import { describeGroup } from './wire/groups.ts'

/**
 * Members that will not come back: those of this driver that failed, and so may have been cut off from their group before they
 * could leave it, and the dead one that had this worker's name. The group would wait for them until their sessions have passed;
 * so whoever joins in their place takes them out first.
 */
export class FormerMembers {
  readonly #idsOf = new Map<string, Set<string>>()
  readonly #name: string | undefined
  #hasTakenPlace = false

  /** @param name the worker's own, which is also the client id by which its members are known */
  constructor(name: string | undefined) {
    this.#name = name
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
    this.#idsOf.delete(groupId)
    const namesakes = (await this.#namesakes(groupId, brokers)).filter((id) => !own.has(id))
    // Who comes up under a name takes the place of whoever had it; but only once, or two of one name would go on for ever.
    if (this.#hasTakenPlace) refuseIfTaken(this.#name, namesakes)
    this.#hasTakenPlace = true
    for (const memberId of [...own, ...namesakes]) {
      const leaving = whenSettled(async () => {
        const coordinator = await brokers.groupBroker(groupId)
        await coordinator.leaveGroup({ groupId, memberId })
      })
      // Most have left already; the group says then that it does not know them.
      await within(5_000, 'leaving', leaving).catch(() => {})
    }
  }

  /**
   * @param own by which the group knows the member that asks
   * @throws TidemarkError `WORKER_NAME_TAKEN`: another member of the group has the name
   */
  async checkName(groupId: string, brokers: Brokers, own: string): Promise<void> {
    const namesakes = await this.#namesakes(groupId, brokers)
    refuseIfTaken(
      this.#name,
      namesakes.filter((id) => id !== own),
    )
  }

  async #namesakes(group: string, brokers: Brokers): Promise<string[]> {
    if (this.#name === undefined) return []
    const of = { type: 'group', id: group } as const
    const { code, members } = await brokers.askCoordinator(of, describeGroup(group), (g) => g.code)
    if (code !== CODE.NONE) {
      const what = `who is in group "${group}" is answered with ${nameOfCode(code)}`
      throw groupRefusal(code, group) ?? new TidemarkError('BROKER_UNAVAILABLE', what)
    }
    return members.filter((m) => m.clientId === this.#name).map((m) => m.memberId)
  }
}

function refuseIfTaken(name: string | undefined, namesakes: readonly string[]): void {
  if (namesakes.length === 0) return
  throw new TidemarkError(
    'WORKER_NAME_TAKEN',
    `another worker of the group has the name "${name}"`,
    {
      hint: 'give each worker a name of its own (--worker-name)',
    },
  )
}
