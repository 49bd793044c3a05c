import type { Clock } from '../../../kernel/clock.ts'
import { TidemarkError } from '../../../kernel/errors.ts'
import type { Brokers } from '../client/brokers.ts'
import { groupRefusal, isElecting, unavailable } from '../client/errors.ts'
import { repeated, within } from '../client/waiting.ts'
import { type DescribedMember, describeGroup, REBALANCING } from '../wire/groups.ts'
import { CODE, nameOfCode } from '../wire/protocol.ts'

const ALIVE_LOOK_MS = 500
/** How much longer than its session a dead member may stay: the coordinator has other work, ms. */
const NOTICED_MS = 2_000
const NAMES_HINT = { hint: 'give each worker its own name (--worker-name)' }

/**
 * Removes members that will not come back before the one in their place joins, because the group
 * would wait for their sessions: failed ones of this driver, and a dead one of this worker's name.
 */
export class ZombieFencing {
  readonly #idsOf = new Map<string, Set<string>>()
  readonly #name: string | undefined
  readonly #sessionTimeoutMs: number
  #hasTakenPlace = false

  /** @param name the worker's given name, which is the client id of its members */
  constructor(name: string | undefined, sessionTimeoutMs: number) {
    this.#name = name
    this.#sessionTimeoutMs = sessionTimeoutMs
  }

  add(groupId: string, memberId: string): void {
    const ids = this.#idsOf.get(groupId) ?? new Set()
    this.#idsOf.set(groupId, ids.add(memberId))
  }

  /** @throws TidemarkError `WORKER_NAME_TAKEN` */
  async remove(groupId: string, brokers: Brokers): Promise<void> {
    const failedIds = this.#idsOf.get(groupId) ?? new Set<string>()
    const others = () => this.#others(groupId, brokers, (id) => failedIds.has(id))
    // A worker replaces the former holder of its name once: two workers of one name would replace
    // each other forever.
    if (this.#hasTakenPlace) await this.#refuseIfAlive(others, brokers.clock)
    const { ids } = await others()
    this.#hasTakenPlace = true
    this.#idsOf.delete(groupId)
    await removeMembers(groupId, [...failedIds, ...ids], brokers)
  }

  /** @throws TidemarkError `WORKER_NAME_TAKEN` @param getMemberId returns the caller's member id */
  async checkName(groupId: string, brokers: Brokers, getMemberId: () => string): Promise<void> {
    const others = () => this.#others(groupId, brokers, (id) => id === getMemberId())
    await this.#refuseIfAlive(others, brokers.clock)
  }

  /**
   * Waits until members of this name are gone, and refuses those that live on. One may be this
   * worker's own, if the answer to JoinGroup was lost: it is gone when its session has timed out.
   * The session does not run while the group waits for others to join, and starts again under
   * another coordinator.
   */
  async #refuseIfAlive(others: () => Promise<Named>, clock: Clock): Promise<void> {
    let { ids: suspects, coordinator } = await others()
    let leftMs = this.#sessionTimeoutMs + NOTICED_MS
    while (suspects.length > 0 && leftMs > 0) {
      await clock.sleep(ALIVE_LOOK_MS)
      const now = await others()
      suspects = suspects.filter((id) => now.ids.includes(id))
      const hasMoved = now.coordinator !== (coordinator ?? now.coordinator)
      if (hasMoved) leftMs = this.#sessionTimeoutMs + NOTICED_MS
      else if (!now.isRebalancing) leftMs -= ALIVE_LOOK_MS
      coordinator = now.coordinator ?? coordinator
    }
    if (suspects.length === 0) return
    const message = `another worker of the group has the name "${this.#name}"`
    throw new TidemarkError('WORKER_NAME_TAKEN', message, NAMES_HINT)
  }

  async #others(group: string, brokers: Brokers, isOwn: (memberId: string) => boolean) {
    if (this.#name === undefined) return NOBODY
    const named = await membersNamed(this.#name, group, brokers)
    return { ...named, ids: named.ids.filter((id) => !isOwn(id)) }
  }
}

const NOBODY: Named = { members: [], ids: [], isRebalancing: false, coordinator: undefined }
const LEAVING_MS = 5_000
const RETRY_MS = 100

type Named = Awaited<ReturnType<typeof membersNamed>>

/** The members of a group whose client id is a worker's name. */
export async function membersNamed(name: string, group: string, brokers: Brokers) {
  const key = { type: 'group', id: group } as const
  const { code, state, members: all } = await brokers.askCoordinator(key, describeGroup(group))
  if (code !== CODE.NONE) {
    const message = `the coordinator answered a request for the members of group "${group}" with ${nameOfCode(code)}`
    throw groupRefusal(code, group) ?? unavailable(message)
  }
  const members = all.filter(({ clientId }) => clientId === name)
  const ids = members.map(({ memberId }) => memberId)
  // The coordinator that answered; `undefined`: it is being looked up again.
  const coordinator = brokers.coordinatorOf(key)
  return { members, ids, isRebalancing: state === REBALANCING, coordinator }
}

/** Removes members one after the other. The group waits for a member that cannot be removed. */
async function removeMembers(group: string, memberIds: Iterable<string>, brokers: Brokers) {
  for (const memberId of memberIds) {
    const isOver = async () => {
      try {
        const coordinator = await brokers.groupBroker(group)
        await coordinator.leaveGroup({ groupId: group, memberId })
        return true
      } catch (error) {
        // Most have left already, and the group does not know them.
        return !isElecting(error)
      }
    }
    const { clock } = brokers
    const leaving = repeated({ everyMs: RETRY_MS, forMs: LEAVING_MS, clock }, isOver, Boolean)
    await within({ ms: LEAVING_MS, doing: 'leaving', clock }, leaving).catch(() => {})
  }
}

const JOINED_LOOK_MS = 20

interface Joining {
  readonly group: string
  readonly brokers: Brokers
  readonly isJoining: () => boolean
}

/**
 * The name of a worker that was given none: it replaces the former member of this name only if both
 * came from the same address, because host names repeat. A broker reports the address of each
 * member (DescribeGroups, `ClientHost`): so a worker joins, finds itself next to its predecessor,
 * and removes that one from the group. Transactional ids differ, so such members never fence each
 * other. Static membership (KIP-345) would give the place to any member with its
 * `group.instance.id`.
 */
export class DefaultName {
  #text: string | null
  /** `null`: not known. */
  #address: string | null = null

  /** @param text `undefined`: the worker was given a name, or is to have none */
  constructor(text: string | undefined) {
    this.#text = text ?? null
  }

  /** `null`: it has none, or no longer. */
  get text(): string | null {
    return this.#text
  }

  /** Ids of the members that have the name before this worker joins. */
  async holders(group: string, brokers: Brokers): Promise<ReadonlySet<string>> {
    return new Set((await this.#members(group, brokers)).map(({ memberId }) => memberId))
  }

  /** Removes the holders of the name that came from this worker's own address, while it joins. */
  async replace(holders: ReadonlySet<string>, joining: Joining): Promise<void> {
    const { group, brokers, isJoining } = joining
    while (this.#text !== null && isJoining()) {
      const members = await this.#members(group, brokers).catch(() => [])
      const arrived = members.filter(({ memberId }) => !holders.has(memberId))
      const [address, anotherAddress] = new Set(arrived.map(({ clientHost }) => clientHost))
      // Others of this name may arrive at the same time: one of them is this worker.
      if (address !== undefined && anotherAddress === undefined) {
        this.#address = address
        const former = members.filter((m) => holders.has(m.memberId) && m.clientHost === address)
        const ids = former.map(({ memberId }) => memberId)
        return removeMembers(group, ids, brokers)
      }
      await brokers.clock.sleep(JOINED_LOOK_MS)
    }
  }

  /** Whether a member has the name and the address while this worker is not in the group. */
  async isTaken(group: string, brokers: Brokers): Promise<boolean> {
    const members = await this.#members(group, brokers)
    const address = this.#address
    return members.some(({ clientHost }) => address === null || address === clientHost)
  }

  /**
   * Gives up the name of a worker that was removed in favour of another one. With the name, each
   * would remove the other whenever it comes back.
   * @returns `WORKER_NAME_LOST`
   */
  giveUp(): TidemarkError {
    const message = `another worker of the group has the name "${this.#text}": this one continues without a name`
    this.#text = null
    return new TidemarkError('WORKER_NAME_LOST', message, NAMES_HINT)
  }

  async #members(group: string, brokers: Brokers): Promise<readonly DescribedMember[]> {
    return this.#text === null ? [] : (await membersNamed(this.#text, group, brokers)).members
  }
}
