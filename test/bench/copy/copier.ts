import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import type { Chunk, Member, NextOffset, TopicPartition } from '../../../src/connect/port.ts'
import { WrittenRecords } from '../../../src/connect/written-records.ts'
import { type CopyTask, Meter, type Pass } from './pass.ts'

// A copy through the port, as the worker's committer uses it: the next commit is collected while
// one is in flight.

/** From this many records on, a commit does not wait, and partitions are paused until it starts. */
const ENOUGH = 20_000

/** One copy of a topic, as a member of a group named like the output. */
export class Copier {
  readonly #task: CopyTask
  readonly #output: string
  readonly #meter = new Meter()
  #member: Member | null = null
  #outputs = new WrittenRecords(ENOUGH)
  #nextOffsets = new Map<number, NextOffset>()
  #paused: TopicPartition[] = []
  #copied = 0
  #failure: Error | null = null
  #wake: () => void = () => {}

  constructor(task: CopyTask, output: string) {
    this.#task = task
    this.#output = output
  }

  /** @param joined called when the group has taken it in. @default not called */
  async run(joined: () => void = () => {}): Promise<Pass> {
    const { brokers, guarantee, input } = this.#task
    const records = new KafkaRecords({ brokers, clientId: this.#output })
    try {
      const member = await records.join({
        group: this.#output,
        topics: [input],
        from: 'earliest',
        guarantee,
        handlers: {
          assigned: ({ nextOffset }) => nextOffset,
          lost: () => this.#fail(new Error('a partition was lost')),
          chunk: (chunk) => this.#take(chunk),
          caughtUp: () => {},
          unreadable: () => {},
          throttled: () => {},
          failed: (error) => this.#fail(error),
        },
      })
      this.#member = member
      joined()
      const commits = await this.#commitAll(member)
      return this.#meter.end(this.#copied, commits)
    } finally {
      // Partitions that are lost on leaving have been copied.
      this.#fail = () => {}
      await records.close()
    }
  }

  #take(chunk: Chunk): void {
    this.#meter.start()
    const topic = this.#output
    const { partition, epoch, nextOffset } = chunk
    const outputs = this.#outputs
    for (const record of chunk.records) outputs.write(record, topic, partition)
    this.#nextOffsets.set(partition, {
      topic: chunk.topic,
      partition,
      epoch,
      nextOffset,
      metadata: '',
    })
    if (outputs.length >= ENOUGH) {
      this.#member?.pause(chunk)
      this.#paused.push({ topic: chunk.topic, partition })
    }
    if (this.#isEnough()) this.#wake()
  }

  #fail = (error: Error): void => {
    this.#failure ??= error
    this.#wake()
  }

  #isEnough(): boolean {
    const waiting = this.#outputs.length
    return waiting >= ENOUGH || this.#copied + waiting >= this.#task.records
  }

  /** Commits until everything is copied; returns the number of commits. */
  async #commitAll(member: Member): Promise<number> {
    let commits = 0
    let startMs = performance.now()
    while (this.#copied < this.#task.records) {
      await this.#due(startMs + this.#task.intervalMs - performance.now())
      startMs = performance.now()
      if (this.#nextOffsets.size === 0) continue
      const outputs = this.#outputs
      const nextOffsets = [...this.#nextOffsets.values()]
      // The next commit is likely to be as large.
      this.#outputs = new WrittenRecords(outputs.length)
      this.#nextOffsets = new Map()
      for (const partition of this.#paused.splice(0)) member.resume(partition)
      await member.commit({ outputs, deadLetters: [], nextOffsets })
      this.#copied += outputs.length
      commits++
    }
    return commits
  }

  /** Resolves when there is enough for a commit, or after `withinMs`. */
  async #due(withinMs: number): Promise<void> {
    if (!this.#isEnough() && this.#failure === null) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    if (this.#failure !== null) throw this.#failure
  }
}
