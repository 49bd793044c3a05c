import type { Clock } from '../../kernel/clock.ts'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { within } from './waiting.ts'

// Between commits and rebalances (rule C2): from the moment JoinGroup is sent until SyncGroup is
// answered and what was lost is gone, nothing is committed. The broker does not see to that: it
// takes offsets of a transaction while a rebalance completes. Neither does it know whose the
// records are that come without offsets. So a member that the group has not answered for longer
// than its session, because the process stood still, sends nothing before it has: its partitions
// may be another's by now.

/** A membership between two rebalances. */
export interface Generation {
  readonly generationId: number
  readonly memberId: string
}

/** Of the membership under which a commit began. */
export interface GroupMetadata {
  /** @throws TidemarkError `REBALANCING` once it has passed */
  readonly generation: () => Generation
  /**
   * Resolves when the group may still count on it: asked before anything is sent. Rejects as {@link
   * generation} throws.
   */
  readonly confirmed: () => Promise<void>
}

/**
 * A group waits for its members to join again, so they must not wait for long; sessions last
 * longer.
 */
const COMMIT_IN_FLIGHT_MS = 5_000

export class CommitGate {
  readonly #group: string
  readonly #sessionMs: number
  readonly #clock: Clock
  readonly #changed = new ConditionVariable()
  /** When the group was last asked for something that it answered. */
  #confirmedMs = Number.NEGATIVE_INFINITY
  /** Under which offsets can be committed; `null` from JoinGroup on. */
  #generation: Generation | null = null
  /** No commit may begin. */
  #isClosed = true
  #inFlight: Promise<void> = Promise.resolve()

  /** @param sessionMs after which the group gives a member's partitions to others */
  constructor(group: string, sessionMs: number, clock: Clock) {
    this.#group = group
    this.#sessionMs = sessionMs
    this.#clock = clock
  }

  /**
   * The group has answered, to what was asked at that moment of the clock's elapsed time, that it
   * knows the member.
   */
  confirm(askedMs: number): void {
    this.#confirmedMs = Math.max(this.#confirmedMs, askedMs)
    this.#changed.notifyAll()
  }

  /** A generation's assignment is in force, and what it took away is gone. */
  open(generation: Generation): void {
    this.#generation = generation
    this.#isClosed = false
  }

  /**
   * Resolves when JoinGroup may be sent: the commit in flight has come to an end, or has lost its
   * generation.
   * @param last what is still to be done under it
   */
  async close(last: (generation: Generation) => Promise<void>): Promise<void> {
    this.#isClosed = true
    this.#changed.notifyAll()
    const ending = this.#generation
    // What was published meanwhile still counts in the old generation.
    const done = this.#inFlight.then(() => (ending === null ? undefined : last(ending)))
    const limit = { ms: COMMIT_IN_FLIGHT_MS, doing: 'committing', clock: this.#clock }
    await within(limit, done).catch(() => {})
    this.#generation = null
    this.#changed.notifyAll()
  }

  /** Runs a commit; one at a time. @throws TidemarkError `REBALANCING` · what the commit throws */
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
