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

// How a member's commits are made, under each guarantee (rules C3 to C8).

export interface Committing {
  /**
   * Before partitions are taken over: nothing of this member's past is open any more. @throws as
   * {@link commit}
   */
  begin(): Promise<void>
  /** One at a time. @throws TidemarkError as the port's `commit` */
  commit(commit: Commit): Promise<void>
  /** The generation ends: what was put off is committed under it. @throws as {@link commit} */
  finish(generation: Generation): Promise<void>
}

/** What both guarantees work with. */
export interface Surroundings {
  readonly group: string
  readonly clock: Clock
  readonly offsets: GroupOffsets
  readonly gate: CommitGate
  readonly positions: Positions
  /** Has the member left? */
  readonly isOver: () => boolean
  /**
   * @throws TidemarkError `WORKER_NAME_TAKEN`: another worker has this one's name, and with it its
   * transactional id
   */
  readonly checkName: () => Promise<void>
  /** Asks the group for a new generation. */
  readonly joinAgain: () => void
}

const SETTLE_RETRY_MS = 200

/**
 * An offset with every few outputs would take a broker as long as the outputs do; a crash repeats
 * so much more, ms.
 */
const OFFSETS_EVERY_MS = 100

/** Outputs first. Offsets follow when all outputs before them are acknowledged, now and then. */
export class AtLeastOnce implements Committing {
  readonly #around: Surroundings
  readonly #writer: KafkaWriter
  /** By partition name, how far outputs are acknowledged and offsets are not committed. */
  readonly #putOff = new Map<string, NextOffset>()
  /** When offsets were last committed. */
  #lastMs = Number.NEGATIVE_INFINITY
  /** Ends the waiting of what was put off. */
  #endWait = () => {}
  /** Offsets that go out though no outputs do. */
  #following: Promise<void> = Promise.resolve()

  constructor(around: Surroundings, writer: KafkaWriter) {
    this.#around = around
    this.#writer = writer
  }

  async begin(): Promise<void> {}

  commit(commit: Commit): Promise<void> {
    return this.#around.gate.pass(async ({ generation, confirmed }) => {
      // Else two of them would go out at once, and the older one might be taken last.
      await this.#following
      this.#endWait()
      await this.#writer.send(together(commit), confirmed)
      for (const next of commit.nextOffsets) this.#putOff.set(partitionName(next), next)
      const sinceMs = this.#around.clock.elapsedMs() - this.#lastMs
      if (sinceMs >= OFFSETS_EVERY_MS) await this.finish(generation())
      else this.#followLater()
    })
  }

  async finish(generation: Generation): Promise<void> {
    this.#endWait()
    const { positions, offsets, clock } = this.#around
    this.#lastMs = clock.elapsedMs()
    const all = [...this.#putOff.values()]
    const still = all.filter((next) => positions.get(next)?.epoch === next.epoch)
    const moved = still.map((next) => ({ ...next, offset: next.nextOffset }))
    await offsets.commit(generation, moved)
    for (const next of moved) {
      const owned = positions.get(next)
      // It may have become another assignment while this was not answered.
      if (owned?.epoch === next.epoch) owned.stored = next
    }
    // More may have been put off meanwhile, in the next generation.
    for (const next of all) {
      const name = partitionName(next)
      if (this.#putOff.get(name) === next) this.#putOff.delete(name)
    }
  }

  /**
   * Nothing came after the last outputs. What fails now goes with the next commit, or is tried
   * again.
   */
  #follow(): void {
    const passed = this.#around.gate.pass(({ generation }) => this.finish(generation()))
    this.#following = passed.catch((error: unknown) => {
      const isPassing = error instanceof TidemarkError && error.action === 'retry'
      if (isPassing && !this.#around.isOver()) this.#followLater()
    })
  }

  #followLater(): void {
    this.#endWait = this.#around.clock.after(OFFSETS_EVERY_MS, () => this.#follow())
  }
}

/** Outputs and offsets in one transaction. */
export class ExactlyOnce implements Committing {
  readonly #around: Surroundings
  readonly #transactions: Transactions
  #hasBegun = false
  /** In which a claim was not answered. */
  #doubted: Generation | null = null

  constructor(around: Surroundings, transactions: Transactions) {
    this.#around = around
    this.#transactions = transactions
  }

  async begin(): Promise<void> {
    if (this.#hasBegun) return
    await this.#transactions.begin()
    this.#hasBegun = true
  }

  commit(commit: Commit): Promise<void> {
    return this.#around.gate.pass(({ generation }) => this.#commit(commit, generation))
  }

  async finish(): Promise<void> {}

  async #commit(commit: Commit, generation: () => Generation): Promise<void> {
    const { nextOffsets, isSmallest = false } = commit
    const { group, positions } = this.#around
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

  /** `false`: it is not known, or somebody else has used this worker's transactional id. */
  async #isCommitted(parts: Parameters<Transactions['commit']>[0]): Promise<boolean> {
    try {
      return (await this.#transactions.commit(parts)) === 'committed'
    } catch (error) {
      if (error instanceof TidemarkError && error.code === 'FENCED') return false
      throw error
    }
  }

  /**
   * Puts this member's name to partitions before its first transaction with them, so that whoever
   * takes over from it knows whose transactions to end. In no transaction: one that is aborted
   * would leave the name of an older owner (C8).
   */
  async #claim(owned: readonly Owned[], generation: () => Generation): Promise<void> {
    const fresh = owned.filter(({ isClaimed }) => !isClaimed)
    if (fresh.length === 0) return
    const { transactionalId } = this.#transactions
    const { group, offsets, joinAgain } = this.#around
    const current = generation()
    if (current === this.#doubted) {
      throw new TidemarkError('REBALANCING', 'a claim was not answered: the group is joined again')
    }
    const { memberId } = current
    const mark = { transactionalId, memberId, number: 0 }
    const claims = fresh.map(({ topic, partition, committed: { nextOffset, metadata } }) => {
      // Somebody else's may be so long that nothing fits before it; it says nothing of windows.
      const left = Buffer.byteLength(metadata) <= MOST_METADATA_BYTES ? metadata : ''
      return { topic, partition, offset: nextOffset, metadata: withMark(mark, group, left) }
    })
    try {
      await offsets.commit(current, claims)
    } catch (error) {
      // It may still arrive, and would set back what had been committed since. Under another
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
   * Finds out what became of a transaction: a new identity first, after which nothing can change
   * it, then what is committed (C6, C7). Returns when it was committed.
   * @throws TidemarkError `COMMIT_FAILED`: it was not · `FENCED`: another worker has committed for
   * the partition · `REBALANCING`: all partitions were lost meanwhile, and what became of it shows
   * where their new owners begin · `WORKER_NAME_TAKEN`
   */
  async #settle(owned: readonly Owned[]): Promise<void> {
    for (;;) {
      try {
        const { positions, offsets, checkName } = this.#around
        await checkName()
        await this.#transactions.begin()
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
        if (this.#around.isOver()) throw error
        await this.#around.clock.sleep(SETTLE_RETRY_MS)
      }
    }
  }

  #judge(known: FetchedOffset): void {
    const { mark } = readMark(known.metadata, this.#around.group)
    const { transactionalId } = this.#transactions
    const before = this.#around.positions.get(known)?.commits ?? 0
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
 * @throws TidemarkError `REBALANCING`: it belongs to another assignment, so that the whole commit
 * is of no use any more (C1)
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
