import type { NewRecord } from '../records/port.ts'

/** A chunk that is done: what is to be written before its offset may be committed. */
export interface Finished {
  readonly outputs: readonly NewRecord[]
  readonly deadLetters: readonly NewRecord[]
  readonly nextOffset: number
  /** Timestamp of its oldest record, ms since the epoch. */
  readonly oldestMs: number
}

/**
 * The work of one task between log and commit. Chunks are closed in log order, so what is closed is the longest finished
 * prefix; it stays here until the commit that holds it is known to have succeeded, and goes with the task when the task
 * is lost (PROTOCOL C1, C3).
 */
export class Ledger {
  #open = 0
  #closed: Finished[] = []

  /** A chunk has been taken. */
  open(): void {
    this.#open++
  }

  close(finished: Finished): void {
    this.#open--
    this.#closed.push(finished)
  }

  /** Finished work, in log order. */
  get closed(): readonly Finished[] {
    return this.#closed
  }

  /** The first `count` of {@link closed} are committed. */
  committed(count: number): void {
    this.#closed = this.#closed.slice(count)
  }

  /** Chunks that are taken and not committed. */
  get inFlight(): number {
    return this.#open + this.#closed.length
  }
}
