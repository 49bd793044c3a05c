import type { TopicPartition, Valve } from '../records/port.ts'

/** What one partition may have on its way at most: more makes no commit fuller, bytes. */
export const MOST_OF_ONE = 16 * 2 ** 20

/** A partition, and what it has on its way. */
interface Flowing {
  readonly partition: TopicPartition
  readonly bytesInFlight: number
  /** The part of it that a commit would end. */
  readonly bytesToCommit: number
  readonly valve: Valve
}

/**
 * Stops the flow of a partition while too much is on its way, so that memory is bounded. All share
 * one budget, and each may have as much as is left of it: one alone gets half, n that are full a
 * part of n + 1 each, and what one does not use the others have (Choudhury and Hahne 1998, "Dynamic
 * Queue Length Thresholds"). Bytes, not chunks: under light load chunks are a few records, and a
 * pause costs more than they do.
 */
export class Flow<P extends Flowing> {
  readonly #budget: number
  readonly #paused = new Set<P>()

  constructor(budget: number) {
    this.#budget = budget
  }

  /**
   * Is a partition held up until some of what it has on its way is committed? Not one that is read
   * again, or goes slowly.
   */
  get isHeldUp(): boolean {
    return [...this.#paused].some(waitsForCommit)
  }

  /** It is gone. */
  forget(of: P): void {
    this.#paused.delete(of)
  }

  /** @returns was one stopped now, until some of what it has is committed? */
  adjust(all: Iterable<P>): boolean {
    const partitions = [...all]
    const used = partitions.reduce((sum, { bytesInFlight }) => sum + bytesInFlight, 0)
    const most = Math.min(MOST_OF_ONE, this.#budget - used)
    let hasStopped = false
    for (const of of partitions) {
      const { partition, bytesInFlight, valve } = of
      if (this.#paused.has(of)) {
        if (bytesInFlight > most / 2 || most <= 0) continue
        this.#paused.delete(of)
        valve.resume(partition)
      } else if (bytesInFlight >= most) {
        this.#paused.add(of)
        valve.pause(partition)
        hasStopped ||= waitsForCommit(of)
      }
    }
    return hasStopped
  }
}

function waitsForCommit({ bytesInFlight, bytesToCommit }: Flowing): boolean {
  return bytesToCommit > bytesInFlight / 2
}
