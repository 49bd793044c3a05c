import type { Clock } from '../../../kernel/clock.ts'
import { ConditionVariable } from '../../../kernel/condition-variable.ts'
import { TidemarkError } from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { type Commit, MOST_METADATA_BYTES, type NextOffset } from '../../port.ts'
import { WrittenRecords } from '../../written-records.ts'
import { isUnavailable } from '../client/errors.ts'
import { within } from '../client/waiting.ts'
import type { KafkaWriter } from '../produce/producer.ts'
import type { Transactions } from '../produce/transactions.ts'
import type { FetchedOffset, Generation } from '../wire/groups.ts'
import { type GroupOffsets, readMark, withMark } from './group-offsets.ts'
import type { Owned, Positions, Stored } from './positions.ts'

// How a member commits under each guarantee (rules C3 to C8), and the gate that keeps commits and
// rebalances apart (rule C2).

export interface Committing {
  /** Ends the open transaction of this member, before partitions are taken over. */
  prepare(): Promise<void>
  commit(commit: Commit): Promise<void>
  finish(generation: Generation): Promise<void>
}

export interface CommitContext {
  readonly group: string
  readonly clock: Clock
  readonly offsets: GroupOffsets
  readonly gate: CommitGate
  readonly positions: Positions
  readonly isOver: () => boolean
  /** @throws TidemarkError `WORKER_NAME_TAKEN` */
  readonly checkName: () => Promise<void>
  readonly joinAgain: () => void
}

const OUTCOME_RETRY_MS = 200

/** Shortest interval between offset commits, ms: each costs a broker as much as outputs. */
const OFFSETS_EVERY_MS = 100

/** Writes outputs first; offsets follow at intervals, after their outputs are acknowledged. */
export class AtLeastOnce implements Committing {
  readonly #context: CommitContext
  readonly #writer: KafkaWriter
  /** Deferred offsets by partition name: their outputs are acknowledged. */
  readonly #deferred = new Map<string, NextOffset>()
  #lastMs = Number.NEGATIVE_INFINITY
  #endWait = () => {}
  #following: Promise<void> = Promise.resolve()

  constructor(context: CommitContext, writer: KafkaWriter) {
    this.#context = context
    this.#writer = writer
  }

  async prepare(): Promise<void> {}

  commit(commit: Commit): Promise<void> {
    return this.#context.gate.run(async ({ generation, confirmed }) => {
      // Two offset commits in flight could be applied in the wrong order.
      await this.#following
      this.#endWait()
      await this.#writer.write(together(commit), confirmed)
      for (const next of commit.nextOffsets) this.#deferred.set(partitionName(next), next)
      const sinceMs = this.#context.clock.elapsedMs() - this.#lastMs
      if (sinceMs >= OFFSETS_EVERY_MS) await this.finish(generation())
      else this.#followLater()
    })
  }

  async finish(generation: Generation): Promise<void> {
    this.#endWait()
    const { positions, offsets, clock } = this.#context
    this.#lastMs = clock.elapsedMs()
    const all = [...this.#deferred.values()]
    const still = all.filter((next) => positions.get(next)?.epoch === next.epoch)
    const moved = still.map((next) => ({ ...next, offset: next.nextOffset }))
    await offsets.commit(generation, moved)
    for (const next of moved) {
      const owned = positions.get(next)
      // The partition may have been reassigned while the request was in flight.
      if (owned?.epoch === next.epoch) owned.stored = next
    }
    for (const next of all) {
      const name = partitionName(next)
      if (this.#deferred.get(name) === next) this.#deferred.delete(name)
    }
  }

  /** Commits deferred offsets when no outputs follow; after a failure, later. */
  #follow(): void {
    const running = this.#context.gate.run(({ generation }) => this.finish(generation()))
    this.#following = running.catch((error: unknown) => {
      const isTemporary = error instanceof TidemarkError && error.action === 'retry'
      if (isTemporary && !this.#context.isOver()) this.#followLater()
    })
  }

  #followLater(): void {
    this.#endWait = this.#context.clock.after(OFFSETS_EVERY_MS, () => this.#follow())
  }
}

/** Writes outputs and offsets in one transaction; if its outcome is unknown, the offsets tell. */
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
    return this.#context.gate.run(({ generation }) => this.#commit(commit, generation))
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
    if (!isCommitted) await this.#resolveOutcome(owned)
    for (const [i, partition] of owned.entries()) {
      partition.commits++
      partition.stored = offsets[i] as Stored
    }
  }

  /** Whether it was committed for sure; `false` also if another producer has used the id. */
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
   * next owner knows whose transactions to end (C8).
   */
  async #claim(owned: readonly Owned[], generation: () => Generation): Promise<void> {
    const fresh = owned.filter(({ isClaimed }) => !isClaimed)
    if (fresh.length === 0) return
    const { transactionalId } = this.#transactions
    const { group, offsets, joinAgain } = this.#context
    const current = generation()
    if (current === this.#doubted) {
      const message = 'the claim of a partition was not answered: the member joins the group again'
      throw new TidemarkError('REBALANCING', message)
    }
    const { memberId } = current
    const mark = { transactionalId, memberId, number: 0 }
    const claims = fresh.map(({ topic, partition, committed: { nextOffset, metadata } }) => {
      // Another client's metadata may be so long that no mark fits before it; it has no windows.
      const left = Buffer.byteLength(metadata) <= MOST_METADATA_BYTES ? metadata : ''
      return { topic, partition, offset: nextOffset, metadata: withMark(mark, group, left) }
    })
    try {
      await offsets.commit(current, claims)
    } catch (error) {
      // The request may still arrive and reset newer offsets. Another generation refuses it.
      if (isUnavailable(error)) {
        this.#doubted = current
        joinAgain()
      }
      throw error
    }
    for (const [i, partition] of fresh.entries()) {
      partition.isClaimed = true
      partition.stored = claims[i] as Stored
    }
  }

  /**
   * Takes a new identity, after which nothing can change the outcome, and reads the offsets
   * (C6, C7). Returns when the transaction was committed.
   * @throws TidemarkError `COMMIT_FAILED`: it was not · `FENCED`: another worker has committed for
   * the partition · `REBALANCING`: all partitions were lost meanwhile · `WORKER_NAME_TAKEN`
   */
  async #resolveOutcome(owned: readonly Owned[]): Promise<void> {
    for (;;) {
      try {
        const { positions, offsets, checkName } = this.#context
        await checkName()
        await this.#transactions.initialise()
        const still = owned.filter((p) => positions.holds(p))
        const isHeld = (p: Owned) => positions.holds(p)
        const stable = await offsets.stable(still, isHeld)
        const [fetched] = still.filter(isHeld).flatMap((p) => stable?.get(partitionName(p)) ?? [])
        if (fetched === undefined) {
          throw new TidemarkError('REBALANCING', 'the partitions of a commit were lost')
        }
        return this.#refuseUnlessCommitted(fetched)
      } catch (error) {
        if (!isUnavailable(error)) throw error
        if (this.#context.isOver()) throw error
        await this.#context.clock.sleep(OUTCOME_RETRY_MS)
      }
    }
  }

  #refuseUnlessCommitted(fetched: FetchedOffset): void {
    const { mark } = readMark(fetched.metadata, this.#context.group)
    const { transactionalId } = this.#transactions
    const before = this.#context.positions.get(fetched)?.commits ?? 0
    if (mark?.transactionalId === transactionalId) {
      if (mark.number === before + 1) return
      if (mark.number === before) {
        throw new TidemarkError('COMMIT_FAILED', 'the transaction was aborted')
      }
    }
    throw new TidemarkError('FENCED', 'another worker has committed for a partition of this one')
  }
}

/** @throws TidemarkError `REBALANCING`: one offset of another assignment spoils all (C1) */
function ownedOf(next: NextOffset, positions: Positions): Owned {
  const owned = positions.get(next)
  if (owned !== undefined && owned.epoch === next.epoch) return owned
  throw new TidemarkError('REBALANCING', 'a partition of the commit was lost')
}

function together({ outputs, deadLetters }: Commit): WrittenRecords {
  const all = [outputs, deadLetters].filter(({ length }) => length > 0)
  return WrittenRecords.joined(all.map((records) => WrittenRecords.of(records)))
}

// Nothing is committed from the moment JoinGroup is sent until SyncGroup is answered and lost
// partitions are given up. The broker does not ensure that: it accepts offsets of a transaction
// while a rebalance completes, and cannot tell whose records come without offsets. A member that
// stood still for longer than its session sends nothing until the group has answered, because its
// partitions may belong to another member.

export interface GroupMetadata {
  /** @throws TidemarkError `REBALANCING` once it has passed */
  readonly generation: () => Generation
  /** Resolves when the group still counts on the member; rejects as {@link generation} throws. */
  readonly confirmed: () => Promise<void>
}

/** How long a rebalance waits for a commit in flight, ms: the other members wait as well. */
const COMMIT_IN_FLIGHT_MS = 5_000

/** Lets commits through only between rebalances, which wait for the commit in flight. */
export class CommitGate {
  readonly #group: string
  readonly #sessionMs: number
  readonly #clock: Clock
  readonly #changed = new ConditionVariable()
  /** When the last request that the group answered was sent. */
  #confirmedMs = Number.NEGATIVE_INFINITY
  /** `null` from JoinGroup on. */
  #generation: Generation | null = null
  #isClosed = true
  #inFlight: Promise<void> = Promise.resolve()

  /** @param sessionMs after which the group assigns a silent member's partitions to others */
  constructor(group: string, sessionMs: number, clock: Clock) {
    this.#group = group
    this.#sessionMs = sessionMs
    this.#clock = clock
  }

  /** @param askedMs when the request that the group answered was sent */
  confirm(askedMs: number): void {
    this.#confirmedMs = Math.max(this.#confirmedMs, askedMs)
    this.#changed.notifyAll()
  }

  /** Called when an assignment is in force and revoked partitions are given up. */
  open(generation: Generation): void {
    this.#generation = generation
    this.#isClosed = false
  }

  /** Resolves when JoinGroup may be sent: after `last`, under the old generation. */
  async drain(last: (generation: Generation) => Promise<void>): Promise<void> {
    this.#isClosed = true
    this.#changed.notifyAll()
    const ending = this.#generation
    const done = this.#inFlight.then(() => (ending === null ? undefined : last(ending)))
    const limit = { ms: COMMIT_IN_FLIGHT_MS, doing: 'committing', clock: this.#clock }
    await within(limit, done).catch(() => {})
    this.#generation = null
    this.#changed.notifyAll()
  }

  /** @throws TidemarkError `REBALANCING` · as the commit throws */
  run(commit: (metadata: GroupMetadata) => Promise<void>): Promise<void> {
    const began = this.#generation
    if (began === null || this.#isClosed) return Promise.reject(this.#rebalancing())
    const generation = () => {
      if (this.#generation !== began) throw this.#rebalancing()
      return began
    }
    const confirmed = async () => {
      const isOver = () => this.#generation !== began || (this.#isClosed && !this.isCountedOn())
      await this.#changed.until(() => isOver() || this.isCountedOn())
      if (isOver()) throw this.#rebalancing()
    }
    const metadata = { generation, confirmed }
    const committing = this.isCountedOn()
      ? commit(metadata)
      : confirmed().then(() => commit(metadata))
    this.#inFlight = committing.catch(() => {})
    return committing
  }

  /** Whether the group has answered within its session timeout. */
  isCountedOn(): boolean {
    return this.#clock.elapsedMs() - this.#confirmedMs <= this.#sessionMs
  }

  #rebalancing(): TidemarkError {
    return new TidemarkError('REBALANCING', `group "${this.#group}" is rebalancing`)
  }
}
