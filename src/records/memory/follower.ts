import { setImmediate as nextTurn } from 'node:timers/promises'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { position } from '../../kernel/ids.ts'
import { ListedRecords } from '../log-records.ts'
import type { Chunk, Followed, FollowedRange, FollowOptions } from '../port.ts'
import type { MemoryLog } from './log.ts'

/** What a follower works with. */
interface FollowerContext {
  readonly log: MemoryLog
  /** Records per chunk at most. */
  readonly chunkRecords: number
  /** Called when the follower is closed. */
  readonly closed: (follower: MemoryFollower) => void
}

/** Reads a topic outside of any group. */
export class MemoryFollower implements Followed {
  readonly ranges: ReadonlyMap<number, FollowedRange>
  readonly #topic: string
  readonly #context: FollowerContext
  /** By partition: the offset to read next. */
  readonly #positions: number[]
  readonly #changed = new ConditionVariable()
  #isClosed = false
  #isDead = false

  /** @throws TidemarkError `TOPIC_MISSING` */
  constructor({ topic, from }: FollowOptions, context: FollowerContext) {
    const { log } = context
    this.#topic = topic
    this.#context = context
    this.#positions = Array.from(
      { length: this.#partitions },
      (_, partition) => from.get(partition) ?? log.lowOffset({ topic, partition }),
    )
    this.ranges = new Map(
      this.#positions.map((nextOffset, partition) => {
        return [partition, { nextOffset, endOffset: log.endOffset({ topic, partition }) }]
      }),
    )
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    while (!this.#isClosed) {
      await nextTurn()
      if (this.#isDead) return new Promise(() => {})
      for (let partition = 0; partition < this.#partitions && !this.#isOver; partition++) {
        const chunk = this.#next(partition)
        if (chunk !== null) yield chunk
      }
      await this.#changed.until(() => this.#isClosed || (!this.#isDead && this.#hasMore))
    }
  }

  /** From now on nothing comes any more, not even an end. */
  die(): void {
    this.#isDead = true
  }

  get #isOver(): boolean {
    return this.#isClosed || this.#isDead
  }

  /** Called when records were appended. */
  wake(): void {
    this.#changed.notifyAll()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#context.closed(this)
    this.wake()
  }

  /** @throws TidemarkError `TOPIC_MISSING` */
  get #partitions(): number {
    const info = this.#context.log.describe(this.#topic)
    if (info !== undefined) return info.partitions
    throw new TidemarkError('TOPIC_MISSING', `topic "${this.#topic}" does not exist`)
  }

  get #hasMore(): boolean {
    const { log } = this.#context
    const topic = this.#topic
    const count = log.describe(topic)?.partitions
    if (count === undefined) return true
    return Array.from({ length: count }, (_, partition) => partition).some(
      (partition) => log.endOffset({ topic, partition }) > (this.#positions[partition] ?? 0),
    )
  }

  /**
   * The next chunk of a partition; `null`: there is none now.
   * @throws TidemarkError `OFFSET_OUT_OF_RANGE`
   */
  #next(partition: number): Chunk | null {
    const { log, chunkRecords } = this.#context
    const topic = this.#topic
    const offset = this.#positions[partition] ?? log.lowOffset({ topic, partition })
    const [low, endOffset] = [
      log.lowOffset({ topic, partition }),
      log.endOffset({ topic, partition }),
    ]
    if (offset < low) {
      const what = 'records were deleted from the log before they were read'
      const where = position(topic, partition, offset)
      throw new TidemarkError('OFFSET_OUT_OF_RANGE', what, { where })
    }
    const records = log.read({ topic, partition, offset }, chunkRecords)
    if (records.length === 0) {
      const packed = log.packedAt({ topic, partition, offset })
      if (packed !== null) throw packed.error
      return null
    }
    const nextOffset = offset + records.length
    this.#positions[partition] = nextOffset
    return {
      topic,
      partition,
      epoch: 0,
      records: new ListedRecords(records),
      nextOffset,
      endOffset,
    }
  }
}
