import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import { type Commit, MOST_METADATA_BYTES, type NextOffset } from '../port.ts'
import { WrittenRecords } from '../written-records.ts'
import type { CommitGate, Generation } from './commit-gate.ts'
import { readMark, withMark } from './commit-mark.ts'
import type { GroupOffsets } from './group-offsets.ts'
import type { Owned, Positions, Stored } from './positions.ts'
import type { Transactions } from './transactions.ts'
import type { FetchedOffset } from './wire/offsets.ts'
import type { KafkaWriter } from './writer.ts'

// How a member commits, under each guarantee (rules C3 to C8).

/** How a member commits. */
export interface Committing {
  /**
   * Called before partitions are taken over. Resolves when nothing of this member's past is open
   * any more.
   * @throws as {@link commit}
   */
  prepare(): Promise<void>
  /**
   * Makes a commit; one at a time.
   * @throws TidemarkError as the port's `commit`
   */
  commit(commit: Commit): Promise<void>
  /**
   * Called when the generation ends: commits deferred offsets under it.
   * @throws as {@link commit}
   */
  finish(generation: Generation): Promise<void>
}

/** What both guarantees work with. */
export interface CommitContext {
  readonly group: string
  readonly clock: Clock
  readonly offsets: GroupOffsets
  readonly gate: CommitGate
  readonly positions: Positions
  /** Has the member left? */
  readonly isOver: () => boolean
  /**
   * @throws TidemarkError `WORKER_NAME_TAKEN`: another worker has the same name, and with it the
   * same transactional id
   */
  readonly checkName: () => Promise<void>
  /** Joins the group again, which starts a new generation. */
  readonly joinAgain: () => void
}

const SETTLE_RETRY_MS = 200

/**
 * Shortest interval between two offset commits, ms. Committing offsets with every few outputs would
 * cost a broker as much as the outputs; this long a stretch is repeated after a crash.
 */
const OFFSETS_EVERY_MS = 100

/**
 * Writes outputs first. Offsets follow at intervals, once all outputs before them are acknowledged.
 */
export class AtLeastOnce implements Committing {
  readonly #context: CommitContext
  readonly #writer: KafkaWriter
  /** By partition name, offsets whose outputs are acknowledged but which are not committed yet. */
  readonly #putOff = new Map<string, NextOffset>()
  /** When offsets were last committed. */
  #lastMs = Number.NEGATIVE_INFINITY
  /** Cancels the timer for deferred offsets. */
  #endWait = () => {}
  /** Deferred offsets being committed without further outputs. */
  #following: Promise<void> = Promise.resolve()

  constructor(context: CommitContext, writer: KafkaWriter) {
    this.#context = context
    this.#writer = writer
  }

  async prepare(): Promise<void> {}

  commit(commit: Commit): Promise<void> {
    return this.#context.gate.pass(async ({ generation, confirmed }) => {
      // Otherwise two offset commits would be in flight, and the older one might be applied last.
      await this.#following
      this.#endWait()
      await this.#writer.send(together(commit), confirmed)
      for (const next of commit.nextOffsets) this.#putOff.set(partitionName(next), next)
      const sinceMs = this.#context.clock.elapsedMs() - this.#lastMs
      if (sinceMs >= OFFSETS_EVERY_MS) await this.finish(generation())
      else this.#followLater()
    })
  }

  async finish(generation: Generation): Promise<void> {
    this.#endWait()
    const { positions, offsets, clock } = this.#context
    this.#lastMs = clock.elapsedMs()
    const all = [...this.#putOff.values()]
    const still = all.filter((next) => positions.get(next)?.epoch === next.epoch)
    const moved = still.map((next) => ({ ...next, offset: next.nextOffset }))
    await offsets.commit(generation, moved)
    for (const next of moved) {
      const owned = positions.get(next)
      // The partition may have been reassigned while the request was in flight.
      if (owned?.epoch === next.epoch) owned.stored = next
    }
    // More may have been deferred meanwhile, in the next generation.
    for (const next of all) {
      const name = partitionName(next)
      if (this.#putOff.get(name) === next) this.#putOff.delete(name)
    }
  }

  /**
   * Commits deferred offsets when no outputs follow. On failure they are committed with the next
   * commit, or retried.
   */
  #follow(): void {
    const passed = this.#context.gate.pass(({ generation }) => this.finish(generation()))
    this.#following = passed.catch((error: unknown) => {
      const isPassing = error instanceof TidemarkError && error.action === 'retry'
      if (isPassing && !this.#context.isOver()) this.#followLater()
    })
  }

  #followLater(): void {
    this.#endWait = this.#context.clock.after(OFFSETS_EVERY_MS, () => this.#follow())
  }
}

/** Writes outputs and offsets in one transaction. */
export class ExactlyOnce implements Committing {
  readonly #context: CommitContext
  readonly #transactions: Transactions
  #isPrepared = false
  /** The generation in which a claim was not answered. */
  #doubted: Generation | null = null

  constructor(context: CommitContext, transactions: Transactions) {
    this.#context = context
    this.#transactions = transactions
  }

  async prepare(): Promise<void> {
    if (this.#isPrepared) return
    await this.#transactions.initialise()
    this.#isPrepared = true
  }

  commit(commit: Commit): Promise<void> {
    return this.#context.gate.pass(({ generation }) => this.#commit(commit, generation))
  }

  async finish(): Promise<void> {}

  async #commit(commit: Commit, generation: () => Generation): Promise<void> {
    const { nextOffsets, isSmallest = false } = commit
    const { group, positions } = this.#context
    const owned = nextOffsets.map((next) => ownedOf(next, positions))
    await this.#claim(owned, generation)
    const { memberId } = generation()
    const { transactionalId } = this.#transactions
    const offsets = nextOffsets.map(({ topic, partition, nextOffset, metadata }, i) => {
      const number = (owned[i] as Owned).commits + 1
      const marked = withMark({ transactionalId, memberId, number }, group, metadata)
      return { topic, partition, offset: nextOffset, metadata: marked }
    })
    const records = together(commit)
    const member = () => ({ group, ...generation() })
    const isCommitted = await this.#isCommitted({ records, offsets, member, isSmallest })
    if (!isCommitted) await this.#settle(owned)
    for (const [i, one] of owned.entries()) {
      one.commits++
      one.stored = offsets[i] as Stored
    }
  }

  /**
   * Returns `false` when the outcome is unknown, or another producer has used this worker's
   * transactional id.
   */
  async #isCommitted(parts: Parameters<Transactions['commit']>[0]): Promise<boolean> {
    try {
      return (await this.#transactions.commit(parts)) === 'committed'
    } catch (error) {
      if (error instanceof TidemarkError && error.code === 'FENCED') return false
      throw error
    }
  }

  /**
   * Marks partitions with this member's name before its first transaction with them, so that their
   * next owner knows whose transactions to end. Outside of transactions: an aborted one would leave
   * the name of an older owner (C8).
   */
  async #claim(owned: readonly Owned[], generation: () => Generation): Promise<void> {
    const fresh = owned.filter(({ isClaimed }) => !isClaimed)
    if (fresh.length === 0) return
    const { transactionalId } = this.#transactions
    const { group, offsets, joinAgain } = this.#context
    const current = generation()
    if (current === this.#doubted) {
      throw new TidemarkError(
        'REBALANCING',
        'the claim of a partition was not answered: the member joins the group again',
      )
    }
    const { memberId } = current
    const mark = { transactionalId, memberId, number: 0 }
    const claims = fresh.map(({ topic, partition, committed: { nextOffset, metadata } }) => {
      // Foreign metadata may be so long that no mark fits before it; it contains no windows.
      const left = Buffer.byteLength(metadata) <= MOST_METADATA_BYTES ? metadata : ''
      return { topic, partition, offset: nextOffset, metadata: withMark(mark, group, left) }
    })
    try {
      await offsets.commit(current, claims)
    } catch (error) {
      // The request may still arrive and reset offsets that were committed since. Under another
      // generation it is refused.
      if (error instanceof TidemarkError && error.code === 'BROKER_UNAVAILABLE') {
        this.#doubted = current
        joinAgain()
      }
      throw error
    }
    for (const [i, one] of fresh.entries()) {
      one.isClaimed = true
      one.stored = claims[i] as Stored
    }
  }

  /**
   * Finds out how a transaction ended: takes a new identity, after which nothing can change the
   * outcome, and then reads what is committed (C6, C7). Returns when the transaction was committed.
   * @throws TidemarkError `COMMIT_FAILED`: it was not · `FENCED`: another worker has committed for
   * the partition · `REBALANCING`: all partitions were lost meanwhile; their new owners see the
   * outcome in the offsets at which they begin · `WORKER_NAME_TAKEN`
   */
  async #settle(owned: readonly Owned[]): Promise<void> {
    for (;;) {
      try {
        const { positions, offsets, checkName } = this.#context
        await checkName()
        await this.#transactions.initialise()
        const still = owned.filter((one) => positions.holds(one))
        const isHeld = (one: Owned) => positions.holds(one)
        const stable = await offsets.stable(still, isHeld)
        const [known] = still.filter(isHeld).flatMap((one) => stable?.get(partitionName(one)) ?? [])
        if (known === undefined) {
          throw new TidemarkError('REBALANCING', 'the partitions of a commit were lost')
        }
        return this.#judge(known)
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.code !== 'BROKER_UNAVAILABLE') throw error
        if (this.#context.isOver()) throw error
        await this.#context.clock.sleep(SETTLE_RETRY_MS)
      }
    }
  }

  #judge(known: FetchedOffset): void {
    const { mark } = readMark(known.metadata, this.#context.group)
    const { transactionalId } = this.#transactions
    const before = this.#context.positions.get(known)?.commits ?? 0
    if (mark?.transactionalId === transactionalId) {
      if (mark.number === before + 1) return
      if (mark.number === before) {
        throw new TidemarkError('COMMIT_FAILED', 'the transaction was aborted')
      }
    }
    throw new TidemarkError('FENCED', 'another worker has committed for a partition of this one')
  }
}

/**
 * @throws TidemarkError `REBALANCING`: the offset belongs to another assignment, so the whole
 * commit is useless (C1)
 */
function ownedOf(next: NextOffset, positions: Positions): Owned {
  const owned = positions.get(next)
  if (owned !== undefined && owned.epoch === next.epoch) return owned
  throw new TidemarkError('REBALANCING', 'a partition of the commit was lost')
}

function together({ outputs, deadLetters }: Commit): WrittenRecords {
  const all = [outputs, deadLetters].filter(({ length }) => length > 0)
  return WrittenRecords.joined(all.map((records) => WrittenRecords.of(records)))
}
