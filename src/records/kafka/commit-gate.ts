import type { Clock } from '../../kernel/clock.ts'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { within } from './waiting.ts'

// Keeps commits and rebalances apart (rule C2): nothing is committed from the moment JoinGroup is
// sent until SyncGroup is answered and lost partitions are given up. The broker does not ensure
// that: it accepts offsets of a transaction while a rebalance completes, and it does not know whose
// records those are that come without offsets. So a member that has had no answer from its group
// for longer than its session, because the process stood still, sends nothing until the group has
// answered: its partitions may belong to another member by now.

/** A membership of a group in one generation. */
export interface Generation {
  readonly generationId: number
  readonly memberId: string
}

/** The membership under which a commit began. */
export interface GroupMetadata {
  /** @throws TidemarkError `REBALANCING` once it has passed */
  readonly generation: () => Generation
  /**
   * Resolves when the group still counts on the member; called before anything is sent. Rejects as
   * {@link generation} throws.
   */
  readonly confirmed: () => Promise<void>
}

/**
 * How long a rebalance waits for a commit in flight, ms. The group waits for its members to join
 * again, so this must be short; sessions are longer.
 */
const COMMIT_IN_FLIGHT_MS = 5_000

/** Lets commits pass between rebalances. */
export class CommitGate {
  readonly #group: string
  readonly #sessionMs: number
  readonly #clock: Clock
  readonly #changed = new ConditionVariable()
  /** When the last request that the group answered was sent. */
  #confirmedMs = Number.NEGATIVE_INFINITY
  /** The generation under which offsets can be committed; `null` from JoinGroup on. */
  #generation: Generation | null = null
  /** May no commit begin? */
  #isClosed = true
  #inFlight: Promise<void> = Promise.resolve()

  /**
   * @param sessionMs session timeout, after which the group assigns a member's partitions to others
   */
  constructor(group: string, sessionMs: number, clock: Clock) {
    this.#group = group
    this.#sessionMs = sessionMs
    this.#clock = clock
  }

  /**
   * Called when the group has answered that it knows the member.
   * @param askedMs when the request was sent, by the clock's elapsed time
   */
  confirm(askedMs: number): void {
    this.#confirmedMs = Math.max(this.#confirmedMs, askedMs)
    this.#changed.notifyAll()
  }

  /** Called when a generation's assignment is in force and revoked partitions are given up. */
  open(generation: Generation): void {
    this.#generation = generation
    this.#isClosed = false
  }

  /**
   * Resolves when JoinGroup may be sent: the commit in flight has ended, or has lost its
   * generation.
   * @param last work that must still be done under the old generation
   */
  async drain(last: (generation: Generation) => Promise<void>): Promise<void> {
    this.#isClosed = true
    this.#changed.notifyAll()
    const ending = this.#generation
    // Work that was finished meanwhile still belongs to the old generation.
    const done = this.#inFlight.then(() => (ending === null ? undefined : last(ending)))
    const limit = { ms: COMMIT_IN_FLIGHT_MS, doing: 'committing', clock: this.#clock }
    await within(limit, done).catch(() => {})
    this.#generation = null
    this.#changed.notifyAll()
  }

  /**
   * Runs a commit; one at a time.
   * @throws TidemarkError `REBALANCING` · what the commit throws
   */
  pass(commit: (metadata: GroupMetadata) => Promise<void>): Promise<void> {
    const began = this.#generation
    if (began === null || this.#isClosed) return Promise.reject(this.#rebalancing())
    const generation = () => {
      if (this.#generation !== began) throw this.#rebalancing()
      return began
    }
    const confirmed = async () => {
      const isOver = () => this.#generation !== began || (this.#isClosed && !this.#isCountedOn())
      await this.#changed.until(() => isOver() || this.#isCountedOn())
      if (isOver()) throw this.#rebalancing()
    }
    const metadata = { generation, confirmed }
    const committing = this.#isCountedOn()
      ? commit(metadata)
      : confirmed().then(() => commit(metadata))
    this.#inFlight = committing.catch(() => {})
    return committing
  }

  #isCountedOn(): boolean {
    return this.#clock.elapsedMs() - this.#confirmedMs <= this.#sessionMs
  }

  #rebalancing(): TidemarkError {
    return new TidemarkError('REBALANCING', `group "${this.#group}" is rebalancing`)
  }
}
