import { randomUUID } from 'node:crypto'
import { partitionName } from '../partition-name.ts'
import type { Chunk, From, TopicPartition } from '../port.ts'
import { type Connections, KafkaMember } from './member.ts'

export interface ReadOptions {
  readonly topic: string
  /** Where to begin in each partition. */
  readonly from: From
  /** `end`: up to where the log ended when reading began (records that come meanwhile may be among them). */
  readonly until: 'end' | 'closed'
}

/** Reads a topic without committing, in a group of its own that is deleted afterwards. Iterate once. */
export class KafkaReader implements AsyncIterable<Chunk> {
  /** By partition name: where the log ended when reading began. */
  readonly #endOffsets: ReadonlyMap<string, number>
  readonly #member: KafkaMember
  readonly #connections: Connections
  readonly #group: string
  readonly #until: ReadOptions['until']
  readonly #waiting: Chunk[] = []
  /** Partitions that have not been read to the end. */
  readonly #unread: Set<string>
  #failure: Error | null = null
  #closing: Promise<void> | null = null
  #wake: () => void = () => {}

  private constructor(
    { topic, from, until }: ReadOptions,
    connections: Connections,
    opened: { group: string; ends: ReadonlyMap<string, number> },
  ) {
    this.#connections = connections
    this.#until = until
    this.#group = opened.group
    this.#endOffsets = opened.ends
    this.#unread = new Set(from === 'latest' ? [] : opened.ends.keys())
    this.#member = new KafkaMember(
      {
        group: this.#group,
        topics: [topic],
        from,
        handlers: {
          assigned: (assignment) => {
            this.#reached(assignment, assignment.nextOffset)
            return assignment.nextOffset
          },
          lost: () => {},
          chunk: (chunk) => this.#take(chunk),
          caughtUp: (partition, endOffset) => this.#reached(partition, endOffset),
          failed: (error) => {
            this.#failure = error
            this.#wake()
          },
        },
      },
      connections,
    )
  }

  /** @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING` */
  static async open(options: ReadOptions, connections: Connections): Promise<KafkaReader> {
    const group = `tidemark-reader-${options.topic}-${randomUUID()}`
    const ends = await connections.admin.endOffsets(options.topic)
    const reader = new KafkaReader(options, connections, { group, ends })
    await reader.#member.join()
    return reader
  }

  /** Chunks of all partitions, each partition in order. @throws TidemarkError why reading cannot go on */
  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    try {
      for (;;) {
        const chunk = this.#waiting.shift()
        if (chunk !== undefined) {
          yield chunk
          this.#member.resume(chunk)
          continue
        }
        if (this.#failure !== null) throw this.#failure
        if (this.#closing !== null || (this.#until === 'end' && this.#unread.size === 0)) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      await this.close()
    }
  }

  /** Ends the iteration as well. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    this.#wake()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#member.leave()
    // A group left behind is only clutter: brokers forget it after `offsets.retention.minutes`.
    await this.#connections.admin.deleteGroup(this.#group).catch(() => {})
  }

  #take(chunk: Chunk): void {
    // One chunk of a partition waits at most; the next is fetched when it was taken.
    this.#member.pause(chunk)
    this.#waiting.push(chunk)
    this.#reached(chunk, chunk.nextOffset)
    this.#wake()
  }

  #reached(partition: TopicPartition, nextOffset: number): void {
    const name = partitionName(partition)
    if (nextOffset < (this.#endOffsets.get(name) ?? 0)) return
    this.#unread.delete(name)
    this.#wake()
  }
}
