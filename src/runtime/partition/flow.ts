import type { TopicPartition, Valve } from '../../records/port.ts'

/** The most bytes that one partition may have in flight: more would not make a commit fuller. */
export const MOST_OF_ONE = 16 * 2 ** 20

/** A partition, and its bytes in flight. */
interface Flowing {
  readonly partition: TopicPartition
  readonly bytesInFlight: number
  /** The part that a commit would release. */
  readonly bytesToCommit: number
  readonly valve: Valve
}

/**
 * Backpressure: pauses a partition while too much is in flight, so that memory is bounded. All
 * partitions share one budget, and each may use as much as is left of it: a single partition gets
 * half, n full ones get 1/(n + 1) each, and what one does not use is available to the others
 * (Choudhury and Hahne 1998, "Dynamic Queue Length Thresholds"). Counted in bytes, not chunks:
 * under light load chunks are a few records, and a pause costs more than they do.
 */
export class Flow<P extends Flowing> {
  readonly #budget: number
  readonly #paused = new Set<P>()

  constructor(budget: number) {
    this.#budget = budget
  }

  /**
   * Is a partition paused until some of its bytes in flight are committed? One that is restoring,
   * or slowed down, does not count.
   */
  get isHeldUp(): boolean {
    return [...this.#paused].some(waitsForCommit)
  }

  /** The partition is revoked or lost. */
  forget(of: P): void {
    this.#paused.delete(of)
  }

  /**
   * Pauses and resumes partitions by their bytes in flight.
   * @returns whether one was paused now that waits for a commit
   */
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
