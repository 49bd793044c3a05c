import type { Clock } from '../../kernel/clock.ts'
import { partitionName } from '../../kernel/ids.ts'
import type { TopicPartition, Unreadable } from '../port.ts'

// Tracks partitions that cannot be read. Leaders change and connections break all the time, so only
// lasting failures are reported.

/** A failure that passes within this time is not reported, ms. */
const NEWS_MS = 3_000
/**
 * A change of the partitions is reported at once, another reason for the same partitions only after
 * this time, ms.
 */
const REASON_MS = 10_000
/** How often the failures are checked, ms. */
const LOOK_MS = 250

/** A failing partition. */
interface Failing extends Unreadable {
  readonly sinceMs: number
}

/** The partitions of a member that cannot be read. */
export class Unreadables {
  readonly #tell: (partitions: readonly Unreadable[]) => void
  readonly #clock: Clock
  /** By partition name. */
  readonly #failing = new Map<string, Failing>()
  #reported: readonly Unreadable[] = []
  #reportedMs = Number.NEGATIVE_INFINITY
  /** Cancels the next check; `null` while nothing fails. */
  #endLooking: (() => void) | null = null
  #isOver = false

  /** @param tell called with all partitions that cannot be read, whenever that changes */
  constructor(tell: (partitions: readonly Unreadable[]) => void, clock: Clock) {
    this.#tell = tell
    this.#clock = clock
  }

  /**
   * Adds a failure of a partition.
   * @param sinceMs when the failing operation began, by the clock's elapsed time @default now
   */
  fails(
    { topic, partition }: TopicPartition,
    reason: string,
    sinceMs = this.#clock.elapsedMs(),
  ): void {
    const name = partitionName({ topic, partition })
    const before = this.#failing.get(name)
    this.#failing.set(name, { topic, partition, reason, sinceMs: before?.sinceMs ?? sinceMs })
    if (!this.#isOver && this.#endLooking === null) this.#lookLater()
  }

  /**
   * Called when a partition can be read, or is no longer this member's.
   * @returns was it reported as unreadable?
   */
  over(partition: TopicPartition): boolean {
    const name = partitionName(partition)
    if (!this.#failing.delete(name)) return false
    const wasReported = this.#reported.some((reported) => partitionName(reported) === name)
    if (wasReported) this.#look()
    if (this.#failing.size === 0) this.#rest()
    return wasReported
  }

  /** Stops: nothing is reported any more. */
  stop(): void {
    this.#isOver = true
    this.#rest()
  }

  #rest(): void {
    this.#endLooking?.()
    this.#endLooking = null
  }

  #lookLater(): void {
    this.#endLooking = this.#clock.after(LOOK_MS, () => {
      this.#lookLater()
      this.#look()
    })
  }

  #look(): void {
    const nowMs = this.#clock.elapsedMs()
    const lasting = [...this.#failing.values()]
      .filter(({ sinceMs }) => nowMs - sinceMs >= NEWS_MS)
      .sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition)
    const isSame = namesOf(lasting) === namesOf(this.#reported)
    const isOld = nowMs - this.#reportedMs >= REASON_MS
    if (isSame && !(isOld && reasonsOf(lasting) !== reasonsOf(this.#reported))) return
    this.#reported = lasting.map(({ topic, partition, reason }) => ({ topic, partition, reason }))
    this.#reportedMs = nowMs
    this.#tell(this.#reported)
  }
}

function namesOf(partitions: readonly Unreadable[]): string {
  return partitions.map(partitionName).join()
}

function reasonsOf(partitions: readonly Unreadable[]): string {
  return partitions.map(({ reason }) => reason).join()
}
