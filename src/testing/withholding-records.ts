import type { JoinOptions, Member, Records, Standing, TopicInfo } from '../records/port.ts'

/** Records whose offsets can be withheld: a worker writes, but what it has read is never committed, as if it died in between. */
export class WithholdingRecords implements Records {
  /** From here on outputs and dead letters are written, offsets are not. */
  withholds = false
  readonly #inner: Records

  constructor(inner: Records) {
    this.#inner = inner
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
      commit: (commit) => member.commit(this.withholds ? { ...commit, nextOffsets: [] } : commit),
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
