import { TidemarkError } from '../../kernel/errors.ts'
import type { Brokers } from './brokers.ts'
import { type Namesakes, namesakesIn, takeOut } from './namesakes.ts'

/** How often a worker that joins looks whether its group shows it, ms. */
const LOOK_MS = 20

/** Where a worker joins. */
export interface Joining {
  readonly group: string
  /** Connections that JoinGroup does not hold up. */
  readonly brokers: Brokers
  /** Does it still join? */
  readonly isJoining: () => boolean
}

/**
 * The name that a worker has taken because it was given none. Whoever comes up under it takes the
 * place of the one that had it before, as long as that one came from the same address: host names
 * repeat, so a namesake from elsewhere is somebody else, and stays.
 *
 * The address is the one that a broker sees, which it tells for each member (DescribeGroups,
 * `ClientHost`), and which it tells of this worker only once that has joined. So a worker joins
 * first, sees itself beside its predecessor, and takes that one out of the group then, which was
 * waiting for it. It commits under a transactional id of its own, so that namesakes never fence
 * each other.
 *
 * Not static membership (KIP-345): there the broker gives the place of a `group.instance.id` to
 * whoever comes with it, and fences the one that had it (FENCED_INSTANCE_ID), from wherever either
 * comes.
 */
export class DefaultName {
  #text: string | null
  /** From which it has joined; `null`: not known. */
  #address: string | null = null

  /** @param text `undefined`: the worker has been given a name, or is to have none */
  constructor(text: string | undefined) {
    this.#text = text ?? null
  }

  /** `null`: it has none, or not any more. */
  get text(): string | null {
    return this.#text
  }

  /**
   * The members that have the name before this worker joins. @throws TidemarkError as {@link
   * namesakesIn}
   */
  async holders(group: string, brokers: Brokers): Promise<ReadonlySet<string>> {
    const members = await this.#members(group, brokers)
    return new Set(members.map(({ memberId }) => memberId))
  }

  /**
   * Takes those of them that came from this worker's own address out of the group, while it joins.
   */
  async replace(holders: ReadonlySet<string>, joining: Joining): Promise<void> {
    const { group, brokers, isJoining } = joining
    while (this.#text !== null && isJoining()) {
      // A broker that does not answer is asked again.
      const members = await this.#members(group, brokers).catch(() => [])
      const arrived = members.filter(({ memberId }) => !holders.has(memberId))
      const [own, another] = new Set(arrived.map(({ clientHost }) => clientHost))
      // When namesakes from elsewhere arrive at the same time, nobody can say which of them is this
      // worker.
      if (own !== undefined && another === undefined) {
        this.#address = own
        const former = members.filter((m) => holders.has(m.memberId) && m.clientHost === own)
        const ids = former.map(({ memberId }) => memberId)
        return takeOut(group, ids, brokers)
      }
      await brokers.clock.sleep(LOOK_MS)
    }
  }

  /**
   * Has another member the name and the address, while this worker is none? @throws TidemarkError
   * as {@link namesakesIn}
   */
  async isTaken(group: string, brokers: Brokers): Promise<boolean> {
    const members = await this.#members(group, brokers)
    const own = this.#address
    return members.some(({ clientHost }) => own === null || own === clientHost)
  }

  /**
   * From now on the worker has no name. It was put out for another one, such as one behind the same
   * NAT on a host of the same name: else each would put the other out whenever it comes back.
   * @returns `WORKER_NAME_LOST`
   */
  giveUp(): TidemarkError {
    const message = `another worker of the group has the name "${this.#text}": this one goes on without`
    this.#text = null
    return new TidemarkError('WORKER_NAME_LOST', message, {
      hint: 'give each worker a name of its own (--worker-name)',
    })
  }

  async #members(group: string, brokers: Brokers): Promise<Namesakes['members']> {
    if (this.#text === null) return []
    const { members } = await namesakesIn(group, this.#text, brokers)
    return members
  }
}
