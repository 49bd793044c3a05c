import type { Clock } from '../../kernel/clock.ts'
import { partitionName } from '../../kernel/ids.ts'
import type { TopicPartition, Unreadable } from '../port.ts'

// Partitions that cannot be read. Leaders change and connections break all the time, so that only
// what lasts is told.

/** What is mended within this time is no news, ms. */
const NEWS_MS = 3_000
/** Partitions are told anew at once, another reason for the same ones after this time, ms. */
const REASON_MS = 10_000
const LOOK_MS = 250

interface Failing extends Unreadable {
  readonly sinceMs: number
}

export class Unreadables {
  readonly #tell: (partitions: readonly Unreadable[]) => void
  readonly #clock: Clock
  /** By partition name. */
  readonly #failing = new Map<string, Failing>()
  #told: readonly Unreadable[] = []
  #toldMs = Number.NEGATIVE_INFINITY
  /** Ends the looking; `null` while nothing fails. */
  #endLooking: (() => void) | null = null
  #isOver = false

  /** @param tell given all that cannot be read, whenever that changes */
  constructor(tell: (partitions: readonly Unreadable[]) => void, clock: Clock) {
    this.#tell = tell
    this.#clock = clock
  }

  /** @param sinceMs when what failed began, by the clock's elapsed time @default now */
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

  /** It can be read, or is no longer this member's. @returns was it told that it could not be? */
  over(partition: TopicPartition): boolean {
    const name = partitionName(partition)
    if (!this.#failing.delete(name)) return false
    const wasTold = this.#told.some((told) => partitionName(told) === name)
    if (wasTold) this.#look()
    if (this.#failing.size === 0) this.#rest()
    return wasTold
  }

  /** Tells nothing any more. */
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
    const isSame = namesOf(lasting) === namesOf(this.#told)
    const isOld = nowMs - this.#toldMs >= REASON_MS
    if (isSame && !(isOld && reasonsOf(lasting) !== reasonsOf(this.#told))) return
    this.#told = lasting.map(({ topic, partition, reason }) => ({ topic, partition, reason }))
    this.#toldMs = nowMs
    this.#tell(this.#told)
  }
}

function namesOf(partitions: readonly Unreadable[]): string {
  return partitions.map(partitionName).join()
}

function reasonsOf(partitions: readonly Unreadable[]): string {
  return partitions.map(({ reason }) => reason).join()
}
