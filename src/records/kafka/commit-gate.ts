import { TidemarkError } from '../../kernel/errors.ts'
import { within } from './waiting.ts'

// Between commits and rebalances (PROTOCOL C2): from the moment JoinGroup is sent until SyncGroup is answered and what was lost is
// gone, nothing is committed. The broker does not see to that: it takes offsets of a transaction while a rebalance completes.

/** A membership between two rebalances. */
export interface Generation {
  readonly generationId: number
  readonly memberId: string
}

/** A group waits for its members to join again, so they must not wait for long; sessions last longer. */
const COMMIT_IN_FLIGHT_MS = 5_000

export class CommitGate {
  readonly #group: string
  /** Under which offsets can be committed; `null` from JoinGroup on. */
  #generation: Generation | null = null
  /** No commit may begin. */
  #isClosed = true
  #inFlight: Promise<void> = Promise.resolve()

  constructor(group: string) {
    this.#group = group
  }

  /** A generation's assignment is in force, and what it took away is gone. */
  open(generation: Generation): void {
    this.#generation = generation
    this.#isClosed = false
  }

  /**
   * Resolves when JoinGroup may be sent: the commit in flight has come to an end, or has lost its generation.
   * @param last what is still to be done under it
   */
  async close(last: (generation: Generation) => Promise<void>): Promise<void> {
    this.#isClosed = true
    const ending = this.#generation
    // What was published meanwhile still counts in the old generation.
    const done = this.#inFlight.then(() => (ending === null ? undefined : last(ending)))
    await within(COMMIT_IN_FLIGHT_MS, 'committing', done).catch(() => {})
    this.#generation = null
  }

  /**
   * Runs a commit; one at a time.
   * @param commit is given what tells the generation under which it began. That throws `REBALANCING` once it has passed
   * @throws TidemarkError `REBALANCING` · what the commit throws
   */
  pass(commit: (generation: () => Generation) => Promise<void>): Promise<void> {
    const began = this.#generation
    if (began === null || this.#isClosed) return Promise.reject(this.#rebalancing())
    const committing = commit(() => {
      if (this.#generation !== began) throw this.#rebalancing()
      return began
    })
    this.#inFlight = committing.catch(() => {})
    return committing
  }

  #rebalancing(): TidemarkError {
    return new TidemarkError(
      'REBALANCING',
      `group "${this.#group}" is dealing out its partitions anew`,
    )
  }
}
