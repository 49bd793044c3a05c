import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import type { TopicPartition } from '../port.ts'
import type { Brokers, Coordinated } from './brokers.ts'
import type { Generation } from './commit-gate.ts'
import { readMark } from './commit-mark.ts'
import { groupRefusal } from './group-refusal.ts'
import type { Owned } from './positions.ts'
import { fence } from './transactions.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import { type FetchedOffset, offsetCommit, offsetFetch } from './wire/offsets.ts'
import type { PartitionOffset } from './wire/transactions.ts'

/** Retry interval while an open transaction may change an offset, ms. */
const UNSTABLE_RETRY_MS = 10
/** Stands for a partition that the group has not answered for. */
const UNKNOWN = { code: CODE.UNSTABLE_OFFSET_COMMIT, offset: -1, metadata: '' }

/** The state of the newest known generation. */
export interface Now {
  /** The transactional ids in the group; `null`: not known, so no one is fenced. */
  readonly liveIds: () => ReadonlySet<string> | null
  /** Is the partition still this member's? */
  readonly isOwned: (of: TopicPartition) => boolean
}

/** The committed offsets of a group. */
export class GroupOffsets {
  readonly #brokers: Brokers
  readonly #group: string
  readonly #coordinator: Coordinated

  constructor(brokers: Brokers, group: string) {
    this.#brokers = brokers
    this.#group = group
    this.#coordinator = { type: 'group', id: group }
  }

  /**
   * The latest offsets, by partition name; an open transaction may still change them.
   * @throws TidemarkError as {@link stable}
   */
  async latest(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, FetchedOffset>> {
    return byName(await this.#fetch(partitions, false))
  }

  /**
   * Offsets that no transaction can change any more, by partition name. Waits for open transactions
   * with offsets of these partitions, at most up to the broker's time limit.
   * @param isWanted is the partition still wanted? If not, it is no longer waited for
   * @param waiting called repeatedly with the partitions that are waited for
   * @returns `null` when no partition is wanted any more
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHORIZATION` · `REBALANCING` · `FENCED`
   */
  async stable<P extends TopicPartition>(
    partitions: readonly P[],
    isWanted: (of: P) => boolean,
    waiting: (open: readonly TopicPartition[]) => void = () => {},
  ): Promise<ReadonlyMap<string, FetchedOffset> | null> {
    for (;;) {
      const wanted = partitions.filter(isWanted)
      if (wanted.length === 0) return null
      const offsets = await this.#fetch(wanted, true)
      const open = offsets.filter(({ code }) => code !== CODE.NONE)
      if (open.length === 0) return byName(offsets)
      waiting(open)
      await this.#brokers.clock.sleep(UNSTABLE_RETRY_MS)
    }
  }

  /**
   * Returns the partitions whose committed offset is still what this member last stored, and that
   * no open transaction can change.
   * @param withinMs how long to wait for an open transaction, whose markers may be about to be
   * written
   * @throws TidemarkError as {@link stable}
   */
  async unchanged(partitions: readonly Owned[], withinMs: number): Promise<readonly Owned[]> {
    const { clock } = this.#brokers
    const untilMs = clock.elapsedMs() + withinMs
    let open: readonly TopicPartition[] = partitions
    const found = new Map<string, FetchedOffset>()
    while (open.length > 0 && clock.elapsedMs() < untilMs) {
      const offsets = await this.#fetch(open, true)
      for (const offset of offsets) found.set(partitionName(offset), offset)
      open = offsets.filter(({ code }) => code !== CODE.NONE)
      if (open.length > 0) await clock.sleep(UNSTABLE_RETRY_MS)
    }
    return partitions.filter((owned) => {
      const { code, offset, metadata } = found.get(partitionName(owned)) ?? UNKNOWN
      const isSame = offset === owned.stored?.offset && metadata === owned.stored.metadata
      return code === CODE.NONE && isSame
    })
  }

  /**
   * Fences former owners that are no longer in the group, which ends their transactions (rules C9,
   * R6). A transaction that has produced but sent no offset yet is not visible in the offsets, but
   * would hide the new owner's output until the broker's time limit.
   * @param now read again once the owners are known: after a rebalance meanwhile, an owner that is
   * missing from an older list of live ids may be a new member
   * @throws TidemarkError as {@link stable}
   */
  async fenceDeadOwners(partitions: readonly TopicPartition[], now: Now): Promise<void> {
    if (now.liveIds() === null) return
    const offsets = await this.#fetch(partitions, false)
    const owners = offsets
      .filter((of) => now.isOwned(of))
      .flatMap(({ metadata }) => readMark(metadata, this.#group).mark?.transactionalId ?? [])
    const liveIds = now.liveIds()
    const dead = [...new Set(owners)].filter((id) => liveIds?.has(id) === false)
    await Promise.all(dead.map((id) => this.#fence(id)))
  }

  /**
   * Commits outside of transactions.
   * @throws TidemarkError as {@link stable} · `COMMIT_FAILED`
   */
  async commit(generation: Generation, offsets: readonly PartitionOffset[]): Promise<void> {
    if (offsets.length === 0) return
    const request = offsetCommit({ group: this.#group, ...generation }, offsets)
    const code = await this.#brokers.askCoordinator(this.#coordinator, request, (c) => c)
    if (code === CODE.NONE) return
    throw groupRefusal(code, this.#group) ?? new TidemarkError('COMMIT_FAILED', answers(code))
  }

  /**
   * Without the right to do so, the open transaction ends by its own time limit and is waited for.
   */
  async #fence(transactionalId: string): Promise<void> {
    try {
      await fence(this.#brokers, transactionalId)
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== 'AUTHORIZATION') throw error
    }
  }

  async #fetch(
    partitions: readonly TopicPartition[],
    isStable: boolean,
  ): Promise<readonly FetchedOffset[]> {
    const request = offsetFetch(this.#group, partitions, isStable)
    const answer = await this.#brokers.askCoordinator(this.#coordinator, request, (a) => a.code)
    const { code, offsets } = answer
    const bad = [code, ...offsets.map((o) => o.code)].find(
      (c) => c !== CODE.NONE && c !== CODE.UNSTABLE_OFFSET_COMMIT,
    )
    if (bad === undefined) return offsets
    throw groupRefusal(bad, this.#group) ?? new TidemarkError('BROKER_UNAVAILABLE', answers(bad))
  }
}

function byName(offsets: readonly FetchedOffset[]): ReadonlyMap<string, FetchedOffset> {
  return new Map(offsets.map((offset) => [partitionName(offset), offset]))
}

function answers(code: number): string {
  return `the group answered with ${nameOfCode(code)}`
}
