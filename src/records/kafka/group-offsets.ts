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

const UNSTABLE_RETRY_MS = 10
/** Of a partition about which the group has not answered. */
const UNKNOWN = { code: CODE.UNSTABLE_OFFSET_COMMIT, offset: -1, metadata: '' }

/** How things stand in the newest generation that is known. */
export interface Now {
  /** The transactional ids in the group; `null`: not known, so that nobody is shut out. */
  readonly liveIds: () => ReadonlySet<string> | null
  /** Is the partition still this member's? */
  readonly isOwned: (of: TopicPartition) => boolean
}

/** What a group has committed. */
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
   * By partition name; a transaction that is open may still change them. @throws TidemarkError as
   * {@link stable}
   */
  async latest(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, FetchedOffset>> {
    return byName(await this.#fetch(partitions, false))
  }

  /**
   * Offsets that no transaction can change any more, by partition name. One that has an offset of
   * these partitions open is waited for, the broker's time limit at longest.
   * @param isWanted is it still wanted? If not, it is no longer waited for
   * @param waiting told again and again for which of them it is waited
   * @returns `null` when none is wanted any more
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
   * Those for which the group still has what this member last stored, and no open transaction can
   * change that.
   * @param withinMs how long an open one is waited for: its markers may be about to be written
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
   * Ends the transactions of owners that are not in the group any more (rules C9, R6). What such a
   * one produced before it had sent an offset is not to be seen from its offsets, but would hide
   * the new owner's output until the broker's time limit.
   * @param now is asked when it is known who the owners are: a rebalance may have come since, and
   * an owner that is not in an older list of the living may be the new one
   * @throws TidemarkError as {@link stable}
   */
  async shutOutTheDead(partitions: readonly TopicPartition[], now: Now): Promise<void> {
    if (now.liveIds() === null) return
    const offsets = await this.#fetch(partitions, false)
    const owners = offsets
      .filter((of) => now.isOwned(of))
      .flatMap(({ metadata }) => readMark(metadata, this.#group).mark?.transactionalId ?? [])
    const liveIds = now.liveIds()
    const dead = [...new Set(owners)].filter((id) => liveIds?.has(id) === false)
    await Promise.all(dead.map((id) => this.#shutOut(id)))
  }

  /** In no transaction. @throws TidemarkError as {@link stable} · `COMMIT_FAILED` */
  async commit(generation: Generation, offsets: readonly PartitionOffset[]): Promise<void> {
    if (offsets.length === 0) return
    const request = offsetCommit({ group: this.#group, ...generation }, offsets)
    const code = await this.#brokers.askCoordinator(this.#coordinator, request, (c) => c)
    if (code === CODE.NONE) return
    throw groupRefusal(code, this.#group) ?? new TidemarkError('COMMIT_FAILED', answers(code))
  }

  /** Where the user has no right to, what is open ends by its own time limit, and is waited for. */
  async #shutOut(transactionalId: string): Promise<void> {
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
  return `the group answers ${nameOfCode(code)}`
}
