import { TidemarkError } from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { jsonOrNull } from '../../../kernel/json.ts'
import type { TopicPartition } from '../../port.ts'
import type { Brokers } from '../client/brokers.ts'
import { groupRefusal, unavailable } from '../client/errors.ts'
import { fence } from '../produce/transactions.ts'
import {
  type Coordinated,
  type FetchedOffset,
  type Generation,
  offsetCommit,
  offsetFetch,
  type PartitionOffset,
} from '../wire/groups.ts'
import { CODE, nameOfCode } from '../wire/protocol.ts'
import type { Owned } from './positions.ts'

const UNSTABLE_RETRY_MS = 10
const UNKNOWN = { code: CODE.UNSTABLE_OFFSET_COMMIT, offset: -1, metadata: '' }

interface LatestGeneration {
  /** Transactional ids in the group; `null`: not known, so no one is fenced. */
  readonly liveIds: () => ReadonlySet<string> | null
  readonly isOwned: (partition: TopicPartition) => boolean
}

/** Reads and commits a group's offsets at its coordinator, and waits for open transactions. */
export class GroupOffsets {
  readonly #brokers: Brokers
  readonly #group: string
  readonly #coordinator: Coordinated

  constructor(brokers: Brokers, group: string) {
    this.#brokers = brokers
    this.#group = group
    this.#coordinator = { type: 'group', id: group }
  }

  /** Latest offsets by partition name; an open transaction may still change them. */
  async latest(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, FetchedOffset>> {
    return byName(await this.#fetch(partitions, false))
  }

  /**
   * Offsets by partition name that no transaction can change any more; waits for open transactions.
   * @param isWanted otherwise the partition is not waited for
   * @param waiting called repeatedly with the partitions that are waited for
   * @returns `null` when no partition is wanted any more
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHORIZATION` · `REBALANCING` · `FENCED`
   */
  async stable<P extends TopicPartition>(
    partitions: readonly P[],
    isWanted: (partition: P) => boolean,
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

  /** Partitions whose final offset is the one this member last stored; waits at most `withinMs`. */
  async unchanged(partitions: readonly Owned[], withinMs: number): Promise<readonly Owned[]> {
    const { clock } = this.#brokers
    const untilMs = clock.elapsedMs() + withinMs
    let open: readonly TopicPartition[] = partitions
    const fetched = new Map<string, FetchedOffset>()
    while (open.length > 0 && clock.elapsedMs() < untilMs) {
      const offsets = await this.#fetch(open, true)
      for (const offset of offsets) fetched.set(partitionName(offset), offset)
      open = offsets.filter(({ code }) => code !== CODE.NONE)
      if (open.length > 0) await clock.sleep(UNSTABLE_RETRY_MS)
    }
    return partitions.filter((owned) => {
      const { code, offset, metadata } = fetched.get(partitionName(owned)) ?? UNKNOWN
      const isSame = offset === owned.stored?.offset && metadata === owned.stored.metadata
      return code === CODE.NONE && isSame
    })
  }

  /**
   * Fences former owners that are no longer in the group (rules C9, R6). The offsets do not show a
   * transaction that has sent none yet, and it would hide the new owner's output.
   * @param now read again, because an owner that is missing from an older list may be a new member
   */
  async fenceDeadOwners(partitions: readonly TopicPartition[], now: LatestGeneration) {
    if (now.liveIds() === null) return
    const offsets = await this.#fetch(partitions, false)
    const owners = offsets
      .filter((offset) => now.isOwned(offset))
      .flatMap(({ metadata }) => readMark(metadata, this.#group).mark?.transactionalId ?? [])
    const liveIds = now.liveIds()
    const dead = [...new Set(owners)].filter((id) => liveIds?.has(id) === false)
    await Promise.all(dead.map((id) => this.#fence(id)))
  }

  /** @throws TidemarkError as {@link stable} · `COMMIT_FAILED` */
  async commit(generation: Generation, offsets: readonly PartitionOffset[]): Promise<void> {
    if (offsets.length === 0) return
    const request = offsetCommit({ group: this.#group, ...generation }, offsets)
    const { code } = await this.#brokers.askCoordinator(this.#coordinator, request)
    if (code === CODE.NONE) return
    throw groupRefusal(code, this.#group) ?? new TidemarkError('COMMIT_FAILED', answers(code))
  }

  /** Without the right to fence, the open transaction ends by its own time limit. */
  async #fence(transactionalId: string): Promise<void> {
    try {
      await fence(this.#brokers, transactionalId)
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== 'AUTHORIZATION') throw error
    }
  }

  async #fetch(partitions: readonly TopicPartition[], isStable: boolean) {
    const request = offsetFetch(this.#group, partitions, isStable)
    const { code, offsets } = await this.#brokers.askCoordinator(this.#coordinator, request)
    const isBad = (value: number) => value !== CODE.NONE && value !== CODE.UNSTABLE_OFFSET_COMMIT
    const bad = [code, ...offsets.map((offset) => offset.code)].find(isBad)
    if (bad === undefined) return offsets
    throw groupRefusal(bad, this.#group) ?? unavailable(answers(bad))
  }
}

function byName(offsets: readonly FetchedOffset[]): ReadonlyMap<string, FetchedOffset> {
  return new Map(offsets.map((offset) => [partitionName(offset), offset]))
}

function answers(code: number): string {
  return `the group answered with ${nameOfCode(code)}`
}

// The driver's mark before the worker's metadata of an offset (rule C5): who committed it and the
// number of the commit, by which an unknown outcome is determined and a dead owner's transaction is
// ended. One line of JSON, followed by the worker's metadata.

interface CommitMark {
  readonly transactionalId: string
  readonly memberId: string
  /** Grows by one with every commit of the partition by this member; 0: only claimed so far. */
  readonly number: number
}

/** Format in which the transactional id is complete. */
const WHOLE = 1
/** Format in which the transactional id lacks the group's name at its beginning. */
const SHORT = 2
const MOST_BYTES = 4_096

/** Puts a mark before the worker's metadata: at most 4,096 bytes for any group name. */
export function withMark(mark: CommitMark, group: string, metadata: string): string {
  const { transactionalId, memberId, number } = mark
  const whole = `${JSON.stringify([WHOLE, transactionalId, memberId, number])}\n${metadata}`
  // Older workers know only this format.
  if (Buffer.byteLength(whole) <= MOST_BYTES) return whole
  const rest = transactionalId.slice(group.length)
  return `${JSON.stringify([SHORT, rest, memberId, number])}\n${metadata}`
}

/** `mark` is `null` where another client has committed. */
export function readMark(text: string, group: string) {
  const end = text.indexOf('\n')
  if (!text.startsWith('[') || end < 0) return { mark: null, metadata: text }
  const line = jsonOrNull(text.slice(0, end))
  if (!isLine(line)) return { mark: null, metadata: text }
  const [form, id, memberId, number] = line
  const transactionalId = form === SHORT ? `${group}${id}` : id
  return { mark: { transactionalId, memberId, number }, metadata: text.slice(end + 1) }
}

function isLine(line: unknown): line is [form: number, string, string, number] {
  if (!Array.isArray(line)) return false
  const [form, transactionalId, memberId, number] = line as unknown[]
  return (
    (form === WHOLE || form === SHORT) &&
    typeof transactionalId === 'string' &&
    transactionalId !== '' &&
    typeof memberId === 'string' &&
    Number.isSafeInteger(number) &&
    (number as number) >= 0
  )
}
