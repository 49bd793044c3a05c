import { TidemarkError } from '../../kernel/errors.ts'
import type { Brokers } from './brokers.ts'
import { type Namesakes, namesakesIn, removeMembers } from './namesakes.ts'

/** How often a joining worker looks for itself in its group, ms. */
const LOOK_MS = 20

/** The group that a worker joins. */
export interface Joining {
  readonly group: string
  /** Connections that JoinGroup does not block. */
  readonly brokers: Brokers
  /** Is it still joining? */
  readonly isJoining: () => boolean
}

/**
 * The name that a worker uses because it was given none. A worker that joins under this name
 * replaces the former member with it only if both came from the same address: host names repeat, so
 * a namesake from another address is a different worker, and stays.
 *
 * The address is the one that a broker sees. The broker reports it for each member (DescribeGroups,
 * `ClientHost`), and for this worker only after that has joined. So a worker joins first, finds
 * itself next to its predecessor, and then removes that one from the group, which was waiting for
 * it. It commits under its own transactional id, so that namesakes never fence each other.
 *
 * This is not static membership (KIP-345): there the broker gives the place of a
 * `group.instance.id` to any member that joins with it, and fences the previous one
 * (FENCED_INSTANCE_ID), whatever address either comes from.
 */
export class DefaultName {
  #text: string | null
  /** The address from which it has joined; `null`: not known. */
  #address: string | null = null

  /** @param text `undefined`: the worker was given a name, or is to have none */
  constructor(text: string | undefined) {
    this.#text = text ?? null
  }

  /** `null`: it has none, or no longer. */
  get text(): string | null {
    return this.#text
  }

  /**
   * The ids of the members that have the name before this worker joins.
   * @throws TidemarkError as {@link namesakesIn}
   */
  async holders(group: string, brokers: Brokers): Promise<ReadonlySet<string>> {
    const members = await this.#members(group, brokers)
    return new Set(members.map(({ memberId }) => memberId))
  }

  /**
   * Removes those holders of the name from the group that came from this worker's own address,
   * while it joins.
   */
  async replace(holders: ReadonlySet<string>, joining: Joining): Promise<void> {
    const { group, brokers, isJoining } = joining
    while (this.#text !== null && isJoining()) {
      // A broker that does not answer is asked again.
      const members = await this.#members(group, brokers).catch(() => [])
      const arrived = members.filter(({ memberId }) => !holders.has(memberId))
      const [own, another] = new Set(arrived.map(({ clientHost }) => clientHost))
      // If namesakes from other addresses arrive at the same time, it is not clear which of them is
      // this worker.
      if (own !== undefined && another === undefined) {
        this.#address = own
        const former = members.filter((m) => holders.has(m.memberId) && m.clientHost === own)
        const ids = former.map(({ memberId }) => memberId)
        return removeMembers(group, ids, brokers)
      }
      await brokers.clock.sleep(LOOK_MS)
    }
  }

  /**
   * Does a member have the name and the address while this worker is not in the group?
   * @throws TidemarkError as {@link namesakesIn}
   */
  async isTaken(group: string, brokers: Brokers): Promise<boolean> {
    const members = await this.#members(group, brokers)
    const own = this.#address
    return members.some(({ clientHost }) => own === null || own === clientHost)
  }

  /**
   * Gives up the name. The worker was removed in favour of another one, such as one behind the same
   * NAT on a host of the same name; keeping the name, each would remove the other whenever it comes
   * back.
   * @returns `WORKER_NAME_LOST`
   */
  giveUp(): TidemarkError {
    const message = `another worker of the group has the name "${this.#text}": this one continues without a name`
    this.#text = null
    return new TidemarkError('WORKER_NAME_LOST', message, {
      hint: 'give each worker its own name (--worker-name)',
    })
  }

  async #members(group: string, brokers: Brokers): Promise<Namesakes['members']> {
    if (this.#text === null) return []
    const { members } = await namesakesIn(group, this.#text, brokers)
    return members
  }
}
