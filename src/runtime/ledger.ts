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
  /** Sizes of the chunks that are taken and not committed, in log order. */
  readonly #sizes: number[] = []
  readonly #closed: Finished[] = []
  #bytes = 0

  /** A chunk of this size has been taken. */
  open(bytes: number): void {
    this.#sizes.push(bytes)
    this.#bytes += bytes
  }

  close(finished: Finished): void {
    this.#closed.push(finished)
  }

  /** Finished work, in log order. */
  get closed(): readonly Finished[] {
    return this.#closed
  }

  /** The first `count` of {@link closed} are committed. */
  committed(count: number): void {
    this.#closed.splice(0, count)
    for (const bytes of this.#sizes.splice(0, count)) this.#bytes -= bytes
  }

  /** Chunks that are taken and not committed. */
  get inFlight(): number {
    return this.#sizes.length
  }

  /** Their size together. */
  get bytesInFlight(): number {
    return this.#bytes
  }
}
