import { MemoryRecords } from '../records/memory/memory-records.ts'
import type { Commit, JoinOptions, Member, Records, Standing, TopicInfo } from '../records/port.ts'
import { type Definition, outputTopics } from '../topology/definition.ts'

/** Records in this process, with every topic that a topology reads or writes. */
export function embeddedRecords(definition: Definition, partitions: number): MemoryRecords {
  const records = new MemoryRecords()
  for (const topic of [definition.source.topic, ...outputTopics(definition)]) {
    records.createTopic(topic, { partitions })
  }
  return records
}

/**
 * Embedded records whose outputs and dead letters go to `publish` in place of a topic. The offsets are committed once
 * `publish` has resolved, so a slow reader slows the worker down.
 */
export class PublishingRecords implements Records {
  readonly #inner: MemoryRecords
  readonly #publish: (commit: Commit) => Promise<void>

  constructor(inner: MemoryRecords, publish: (commit: Commit) => Promise<void>) {
    this.#inner = inner
    this.#publish = publish
  }

  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    return this.#inner.describeTopics(names)
  }

  standings(group: string, topic: string): Promise<readonly Standing[]> {
    return this.#inner.standings(group, topic)
  }

  async join(options: JoinOptions): Promise<Member> {
    const member = await this.#inner.join(options)
    return {
      commit: async (commit) => {
        await this.#publish(commit)
        await member.commit({ ...commit, outputs: [], deadLetters: [] })
      },
      pause: (partition) => member.pause(partition),
      resume: (partition) => member.resume(partition),
      stopFetching: () => member.stopFetching(),
      leave: () => member.leave(),
    }
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
