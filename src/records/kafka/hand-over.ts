import type { Clock } from '../../kernel/clock.ts'
import { Slices } from '../../kernel/slices.ts'
import { MOST_CHUNK_RECORDS } from '../port.ts'
import type { Portion, RecordSet } from './codec/record-set.ts'

// What has been fetched is handed over some records at a time, each partition's in order, with
// turns of the event loop between. A paused partition keeps the rest until it is resumed; one that
// is lost loses it.

/** What is handed over in one go. Large records are fewer. */
const MOST = { records: MOST_CHUNK_RECORDS, bytes: 256 * 1024 }

/** A record set of a partition, on its way. */
export interface Arrived {
  readonly set: RecordSet
  /** End of the partition (high watermark). */
  readonly endOffset: number
}

/** What comes of a partition. */
export interface Fetched extends Portion {
  /** End of the partition (high watermark). */
  readonly endOffset: number
}

export interface HandOverOptions<P> {
  readonly clock: Clock
  /** Is it still read? */
  readonly isCurrent: (of: P) => boolean
  readonly isPaused: (of: P) => boolean
  readonly fetched: (of: P, fetched: Fetched) => void
}

/** What waits for one partition. */
interface Line {
  readonly sets: Arrived[]
  isMoving: boolean
  moved: Promise<void>
}

/** Partitions are told apart as objects: one that comes back is another. */
export class HandOver<P extends object> {
  readonly #o: HandOverOptions<P>
  readonly #slices: Slices
  readonly #lines = new Map<P, Line>()

  constructor(options: HandOverOptions<P>) {
    this.#o = options
    this.#slices = new Slices(() => options.clock.elapsedMs())
  }

  /** Is something of it still to be handed over? */
  has(of: P): boolean {
    return this.#lines.has(of)
  }

  add(of: P, arrived: Arrived): void {
    const line = this.#lines.get(of)
    if (line !== undefined) line.sets.push(arrived)
    else this.#lines.set(of, { sets: [arrived], isMoving: false, moved: Promise.resolve() })
  }

  /**
   * Hands over what there is of a partition. Resolves when all of it has been, or when the
   * partition is paused or lost.
   * @throws TidemarkError what its batches are refused for
   */
  flow(of: P): Promise<void> {
    const line = this.#lines.get(of)
    if (line === undefined) return Promise.resolve()
    if (!line.isMoving) line.moved = this.#move(of, line)
    return line.moved
  }

  /** Partitions may have been resumed, or lost. @throws as {@link flow} */
  async flowAll(): Promise<void> {
    await Promise.all([...this.#lines.keys()].map((of) => this.flow(of)))
  }

  async #move(of: P, line: Line): Promise<void> {
    const { isCurrent, isPaused } = this.#o
    line.isMoving = true
    try {
      for (let arrived = line.sets[0]; arrived !== undefined; arrived = line.sets[0]) {
        if (this.#slices.isOver) await this.#slices.turn()
        if (!isCurrent(of)) break
        if (isPaused(of)) return
        if (!this.#handOver(of, arrived)) await arrived.set.unpack()
        else if (arrived.set.isTaken) line.sets.shift()
      }
      this.#lines.delete(of)
    } finally {
      line.isMoving = false
    }
  }

  /** Hands over the next records; false: they have to be unpacked first. */
  #handOver(of: P, { set, endOffset }: Arrived): boolean {
    const portion = set.take(MOST)
    if (portion === null) return false
    const { records, packed } = portion
    this.#slices.use(records.length)
    // Of a batch that was asked for from its middle, none may be wanted yet.
    if (records.length > 0 || packed !== null || set.isTaken) {
      this.#o.fetched(of, { records, packed, endOffset })
    }
    return true
  }
}
