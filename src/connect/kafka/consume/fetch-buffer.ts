import type { Clock } from '../../../kernel/clock.ts'
import { Slices } from '../../../kernel/slices.ts'
import { type Chunk, MOST_CHUNK_RECORDS, type TopicPartition } from '../../port.ts'
import type { Portion, RecordSet } from '../codec/record-set.ts'

// Fetched records, handed over some at a time, each partition's in order, yielding to the event
// loop between. Records of a paused partition are kept until it is resumed, and dropped if it is
// lost.

const MOST_BYTES = 256 * 1024
/**
 * How many records with output are handed over first, then as many as were so far, up to the most:
 * the first code runs slowly, and the first output waits for it (slow start, RFC 5681).
 */
const FIRST_RECORDS = 64

export interface Arrived {
  readonly set: RecordSet
  readonly endOffset: number
}

export interface Fetched extends Portion {
  readonly endOffset: number
}

interface FetchBufferOptions<P> {
  readonly clock: Clock
  readonly isCurrent: (partition: P) => boolean
  readonly outputFrom: (partition: P) => number
  readonly fetched: (partition: P, fetched: Fetched) => void
}

interface PartitionQueue {
  readonly sets: Arrived[]
  isMoving: boolean
  moved: Promise<void>
}

/**
 * Queues the records of each partition, and hands them over in portions that grow from the first
 * output on. Partitions differ by identity: one that is assigned again is a new object.
 */
export class FetchBuffer<P extends { readonly paused: boolean }> {
  readonly #o: FetchBufferOptions<P>
  readonly #slices: Slices
  readonly #queues = new Map<P, PartitionQueue>()
  /** How many records with output were handed over. */
  #handedOver = 0

  constructor(options: FetchBufferOptions<P>) {
    this.#o = options
    this.#slices = new Slices(() => options.clock.elapsedMs())
  }

  has(partition: P): boolean {
    return this.#queues.has(partition)
  }

  add(partition: P, arrived: Arrived): void {
    const queue = this.#queues.get(partition)
    if (queue !== undefined) queue.sets.push(arrived)
    else this.#queues.set(partition, { sets: [arrived], isMoving: false, moved: Promise.resolve() })
  }

  drain(partition: P): Promise<void> {
    const queue = this.#queues.get(partition)
    if (queue === undefined) return Promise.resolve()
    if (!queue.isMoving) queue.moved = this.#move(partition, queue)
    return queue.moved
  }

  /** Called when partitions may have been resumed or lost. */
  async drainAll(): Promise<void> {
    await Promise.all([...this.#queues.keys()].map((partition) => this.drain(partition)))
  }

  async #move(partition: P, queue: PartitionQueue): Promise<void> {
    queue.isMoving = true
    try {
      for (let arrived = queue.sets[0]; arrived !== undefined; arrived = queue.sets[0]) {
        if (this.#slices.isOver) await this.#slices.turn()
        if (!this.#o.isCurrent(partition)) break
        if (partition.paused) return
        if (!this.#handOver(partition, arrived)) await arrived.set.unpack()
        else if (arrived.set.isRead) queue.sets.shift()
      }
      this.#queues.delete(partition)
    } finally {
      queue.isMoving = false
    }
  }

  /** Hands over the next records; `false`: they have to be unpacked first. */
  #handOver(partition: P, { set, endOffset }: Arrived): boolean {
    const toReplay = Math.max(0, this.#o.outputFrom(partition) - set.position)
    // Nothing beyond the point where output begins.
    const wanted = toReplay > 0 ? toReplay : Math.max(this.#handedOver, FIRST_RECORDS)
    const most = { records: Math.min(wanted, MOST_CHUNK_RECORDS), bytes: MOST_BYTES }
    const portion = set.next(most)
    if (portion === null) return false
    const { records, packed } = portion
    if (toReplay === 0) this.#handedOver += records.length
    this.#slices.use(records.length)
    // All records of a batch may be before the requested offset.
    if (records.length > 0 || packed !== null || set.isRead) {
      this.#o.fetched(partition, { ...portion, endOffset })
    }
    return true
  }
}

export function chunkOf(
  { topic, partition, epoch }: TopicPartition & { readonly epoch: number },
  { records, nextOffset, packed, endOffset }: Fetched,
): Chunk {
  const chunk = { topic, partition, epoch, records, nextOffset, endOffset }
  return packed === null ? chunk : { ...chunk, packed }
}
