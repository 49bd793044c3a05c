import type {
  Assignment,
  Chunk,
  Loss,
  MemberHandlers,
  NewRecord,
  Owners,
  Pausable,
  RebalanceCause,
  TopicPartition,
  Unreadable,
} from '../../src/connect/port.ts'

const AT = 1_700_000_000_000

/** A record with defaults that do not matter to the test. */
export function record(topic: string, fields: Partial<NewRecord> = {}): NewRecord {
  return {
    topic,
    partition: 0,
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    timestampMs: AT,
    headers: [],
    ...fields,
  }
}

/** Keeps what a driver says, and lets a test wait for it. */
export class Listener implements MemberHandlers {
  readonly assignments: Assignment[] = []
  readonly losses: TopicPartition[] = []
  /** Why, for each time that partitions were lost. */
  readonly whys: Loss[] = []
  readonly chunks: Chunk[] = []
  /** By topic, how many partitions it has. */
  readonly counts = new Map<string, number>()
  readonly ends: { partition: TopicPartition; endOffset: number }[] = []
  readonly throttles: number[] = []
  /** Each map of owners that was told. */
  readonly told: Owners[] = []
  /** Why each rebalance began; `null`: it was over. */
  readonly rebalances: (RebalanceCause | null)[] = []
  /** Each list that was told. */
  readonly unreadables: (readonly Unreadable[])[] = []
  failure: Error | null = null
  readonly #onChunk: (chunk: Chunk) => void
  readonly #startAt: (assignment: Assignment, pausable: Pausable) => number
  #waiting: (() => void)[] = []

  /**
   * @param onChunk what else is done with each chunk, such as throwing
   * @param startAt where reading begins
   */
  constructor(
    onChunk: (chunk: Chunk) => void = () => {},
    startAt: (assignment: Assignment, pausable: Pausable) => number = ({ nextOffset }) =>
      nextOffset,
  ) {
    this.#onChunk = onChunk
    this.#startAt = startAt
  }

  assigned(assignment: Assignment, pausable: Pausable): number {
    this.assignments.push(assignment)
    this.#heard()
    return this.#startAt(assignment, pausable)
  }

  lost(partitions: readonly TopicPartition[], why: Loss): void {
    this.whys.push(why)
    this.losses.push(...partitions)
    this.#heard()
  }

  owners(owners: Owners): void {
    this.told.push(owners)
    this.#heard()
  }

  rebalancing(cause: RebalanceCause | null): void {
    this.rebalances.push(cause)
    this.#heard()
  }

  chunk(chunk: Chunk): void {
    this.#onChunk(chunk)
    this.chunks.push(chunk)
    this.#heard()
  }

  caughtUp(partition: TopicPartition, endOffset: number): void {
    this.ends.push({ partition, endOffset })
    this.#heard()
  }

  unreadable(partitions: readonly Unreadable[]): void {
    this.unreadables.push(partitions)
    this.#heard()
  }

  throttled(durationMs: number): void {
    this.throttles.push(durationMs)
    this.#heard()
  }

  partitions(topic: string, count: number): void {
    this.counts.set(topic, count)
    this.#heard()
  }

  failed(error: Error): void {
    this.failure = error
    this.#heard()
  }

  /**
   * Resolves as soon as the condition holds. @throws what the member failed with; the test's time
   * limit ends a wait in vain
   */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.failure !== null) throw this.failure
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Waits until the member fails. */
  async fails(): Promise<Error> {
    await this.until(() => this.failure !== null)
    return this.failure as Error
  }

  values(partition = 0): string[] {
    return this.chunks
      .filter((chunk) => chunk.partition === partition)
      .flatMap((chunk) => Array.from(chunk.records, (r) => String(r.value)))
  }

  assignment(partition = 0): Assignment {
    const found = this.assignments.findLast((a) => a.partition === partition)
    if (found === undefined) throw new Error(`partition ${partition} was not assigned`)
    return found
  }

  /** Was a partition read to its end there? */
  hasReached(endOffset: number, partition = 0): boolean {
    return this.ends.some(
      (end) => end.partition.partition === partition && end.endOffset === endOffset,
    )
  }

  #heard(): void {
    for (const check of this.#waiting.splice(0)) check()
  }
}
