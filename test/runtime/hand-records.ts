import { ListedRecords } from '../../src/connect/log-records.ts'
import type {
  Commit,
  Followed,
  JoinOptions,
  LogRecord,
  Member,
  MemberHandlers,
  NewRecord,
  PartitionOffsets,
  RecordSink,
  Records,
  Source,
  TopicInfo,
  TopicPartition,
  Topics,
} from '../../src/connect/port.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { plainRecords } from '../support/plain-records.ts'

// Records whose every move the test makes: assignments, chunks, losses, and how each commit ends.

type PlainCommit = Commit & {
  readonly outputs: readonly NewRecord[]
  readonly deadLetters: readonly NewRecord[]
}

/** A commit on its way. */
interface PendingCommit {
  /** Its records are plain. */
  readonly commit: PlainCommit
  readonly succeed: () => void
  readonly fail: (error: Error) => void
}

export class HandRecords implements Records, Source, Topics {
  readonly source = this
  readonly topics = this
  /** Answers to `describe`, one after the other; the last one stays. An error is thrown. */
  readonly answers: (Error | readonly TopicInfo[])[]
  readonly members: HandMember[] = []
  /** Rights that the user lacks. */
  lacking: readonly TidemarkError[] = []
  /** Called with each member before it has joined. */
  beforeJoined: (member: HandMember) => void = () => {}
  #waiting: (() => void)[] = []

  constructor(...answers: (Error | readonly TopicInfo[])[]) {
    this.answers = answers.length > 0 ? answers : [TOPICS]
  }

  async missingRights(): Promise<readonly TidemarkError[]> {
    return this.lacking
  }

  async describe(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    const answer = (this.answers.length > 1 ? this.answers.shift() : this.answers[0]) ?? []
    if (answer instanceof Error) throw answer
    return new Map(answer.filter((t) => names.includes(t.name)).map((t) => [t.name, t]))
  }

  async create(): Promise<void> {}

  async readAll(): Promise<readonly LogRecord[]> {
    return []
  }

  async offsets(): Promise<readonly PartitionOffsets[]> {
    return []
  }

  async offsetsSince(): Promise<ReadonlyMap<string, number>> {
    return new Map()
  }

  async follow(): Promise<Followed> {
    throw new Error('no table is read here')
  }

  writer(): RecordSink {
    throw new Error('nothing is written without a commit here')
  }

  async join(options: JoinOptions): Promise<Member> {
    const member = new HandMember(options)
    this.beforeJoined(member)
    this.members.push(member)
    for (const check of this.#waiting.splice(0)) check()
    return member
  }

  /** The n-th member, once it has joined. */
  async member(n = 0): Promise<HandMember> {
    for (;;) {
      const member = this.members[n]
      if (member === undefined) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve))
        continue
      }
      // The worker goes on when `join` has resolved.
      await new Promise((resolve) => setImmediate(resolve))
      return member
    }
  }

  async close(): Promise<void> {}
}

export class HandMember implements Member {
  readonly options: JoinOptions
  readonly handlers: MemberHandlers
  /** The calls of all but `commit`, in order. */
  readonly calls: string[] = []
  readonly #commits: PendingCommit[] = []
  #waiting: (() => void)[] = []

  constructor(options: JoinOptions) {
    this.options = options
    this.handlers = options.handlers
  }

  /** @returns where the worker wants to begin */
  assign(epoch: number, partition = 0, nextOffset = 0): number {
    const place = { topic: 'events', partition, epoch }
    const log = { nextOffset, metadata: '', lowOffset: 0, lookBackOffset: 0 }
    return this.handlers.assigned({ ...place, ...log }, this)
  }

  lose(partition = 0): void {
    this.handlers.lost([{ topic: 'events', partition }], 'revoked')
  }

  /** Hands over a chunk read under an epoch. */
  give(epoch: number, list: readonly LogRecord[], partition = 0): void {
    const records = new ListedRecords(list)
    const nextOffset = (list.at(-1)?.offset ?? -1) + 1
    const chunk = { topic: 'events', partition, epoch, records, nextOffset, endOffset: nextOffset }
    this.handlers.chunk(chunk)
  }

  commit(commit: Commit): Promise<void> {
    return new Promise((resolve, reject) => {
      const outputs = plainRecords(commit.outputs)
      const deadLetters = plainRecords(commit.deadLetters)
      const plain = { ...commit, outputs, deadLetters }
      this.#commits.push({ commit: plain, succeed: resolve, fail: reject })
      for (const check of this.#waiting.splice(0)) check()
    })
  }

  /** The next commit that the worker makes, made or to come. */
  async nextCommit(): Promise<PendingCommit> {
    while (this.#commits.length === 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    return this.#commits.shift() as PendingCommit
  }

  /** Is no commit made? Asked after everything that is due has run. */
  async commitsNothing(): Promise<boolean> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    return this.#commits.length === 0
  }

  pause({ partition }: TopicPartition): void {
    this.calls.push(`pause ${partition}`)
  }

  resume({ partition }: TopicPartition): void {
    this.calls.push(`resume ${partition}`)
  }

  isCountedOn(): boolean {
    return true
  }

  stopFetching(): void {
    this.calls.push('stopFetching')
  }

  async leave(): Promise<void> {
    this.calls.push('leave')
  }
}

export function topic(name: string, other: Partial<TopicInfo> = {}): TopicInfo {
  return {
    name,
    id: name,
    partitions: 6,
    maxMessageBytes: 1_048_588,
    segmentBytes: null,
    timestampType: 'CreateTime',
    timestampAfterMaxMs: 60_000,
    timestampBeforeMaxMs: null,
    isCompacted: false,
    isTrimmed: true,
    retentionMs: null,
    ...other,
  }
}

export const TOPICS: readonly TopicInfo[] = ['events', 'scores', 'events.dlq'].map((name) =>
  topic(name),
)

export const commitFailed = (): TidemarkError =>
  new TidemarkError('COMMIT_FAILED', 'the broker did not answer')

export const noBroker = (): TidemarkError =>
  new TidemarkError('BROKER_UNAVAILABLE', 'no broker answers')
