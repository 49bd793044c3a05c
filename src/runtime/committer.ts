import type { Clock } from '../kernel/clock.ts'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { Commit, Guarantee, Member, NewRecord } from '../records/port.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import type { Observer } from './events.ts'
import type { Gathered } from './ledger.ts'

// Commits for all partitions of a worker. One is in flight while the next is gathered. Every commit, and every attempt of it,
// is assembled from the partitions as they are now: what a lost one had pending is its new owner's to publish (PROTOCOL C1).

/**
 * Shortest and longest time from the start of one commit to the start of the next. Transactions that follow each other closer meet
 * the markers of the one before; what is written without them goes out almost at once.
 */
const PACE_MS = {
  'exactly-once': { shortest: 10, longest: 250 },
  'at-least-once': { shortest: 3, longest: 100 },
} as const
/** Records a millisecond of pace is worth: a full commit costs less per record than many small ones. */
const RECORDS_PER_MS = 100
/** About the most records in one commit, so that a first one after an outage does not take minutes. */
const MAX_RECORDS = 50_000
/** A commit that is on its way for so long is told of. */
const SLOW_MS = 5_000
const FIRST_RETRY_MS = 100
/** Nothing is wrong then: it is over in a moment. */
const WHILE_REBALANCING_MS = 50
const LAST_RETRY_MS = 10_000

export interface CommitterOptions {
  readonly member: Member
  readonly guarantee: Guarantee
  /** From the start of one commit to the start of the next, ms; `null`: as the load wants it. */
  readonly intervalMs: number | null
  /** Does somebody wait for the next commit? Then it keeps no distance but the shortest. */
  readonly isUrgent: () => boolean
  readonly partitions: () => Iterable<AssignedPartition>
  readonly observer: Observer
  readonly clock: Clock
  /** Something of this partition was committed. */
  onCommitted(partition: AssignedPartition): void
}

interface Segment {
  readonly of: AssignedPartition
  readonly gathered: Gathered
}

export class Committer {
  readonly #o: CommitterOptions
  readonly #stop = new AbortController()
  #urgent = new AbortController()
  #wake: () => void = () => {}
  #attempt = 0

  constructor(options: CommitterOptions) {
    this.#o = options
  }

  /** There may be something to commit. */
  nudge(): void {
    this.#wake()
  }

  /** Somebody waits for the next commit. */
  hurry(): void {
    this.#urgent.abort()
  }

  /** Commits until {@link stop}; rejects with what ends the worker. */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      const startMs = this.#o.clock.elapsedMs()
      const records = await this.commitOnce()
      if (records === 0) {
        await woken
        continue
      }
      await this.#keepPace(startMs, records)
    }
  }

  /** Ends {@link run} after the commit in flight. */
  stop(): void {
    this.#stop.abort()
    this.hurry()
    this.#wake()
  }

  /** Commits what is finished now; returns the records it took from the log, 0 when there was nothing or it failed. */
  async commitOnce(): Promise<number> {
    const segments = this.#gather()
    if (segments.length === 0) return 0
    const commit = assemble(segments)
    const startMs = this.#o.clock.elapsedMs()
    const watch = this.#watchTime(startMs)
    const failure = await failureOf(this.#o.member.commit(commit))
    watch.end()
    if (failure !== null) {
      await this.#failed(failure.error, watch.isSlow())
      return 0
    }
    this.#attempt = 0
    for (const { of, gathered } of segments) {
      of.ledger.committed(gathered)
      this.#o.onCommitted(of)
    }
    this.#tell(segments, commit, this.#o.clock.elapsedMs() - startMs)
    return commit.outputs.length + commit.deadLetters.length + segments.length
  }

  /** Waits until the next commit may start, after one of so many records. */
  async #keepPace(startMs: number, records: number): Promise<void> {
    const { clock, guarantee, intervalMs } = this.#o
    // What is full already does not get cheaper by waiting.
    const isUrgent = () => this.#o.isUrgent() || records >= MAX_RECORDS
    const { shortest, longest } = PACE_MS[guarantee]
    const paceMs = intervalMs ?? Math.max(shortest, Math.min(records / RECORDS_PER_MS, longest))
    const until = async (ms: number, signal: AbortSignal) => {
      const leftMs = startMs + ms - clock.elapsedMs()
      if (leftMs > 0) await clock.sleep(leftMs, signal)
    }
    this.#urgent = new AbortController()
    if (this.#stop.signal.aborted) return
    if (!isUrgent()) await until(paceMs, this.#urgent.signal)
    if (isUrgent()) await until(Math.min(shortest, paceMs), this.#stop.signal)
  }

  /** Tells when a commit that began then takes long. */
  #watchTime(startMs: number): { isSlow(): boolean; end(): void } {
    const { clock, observer } = this.#o
    const ended = new AbortController()
    let isSlow = false
    const watch = async () => {
      const leftMs = () => startMs + SLOW_MS - clock.elapsedMs()
      while (leftMs() > 0 && !ended.signal.aborted) await clock.sleep(leftMs(), ended.signal)
      if (ended.signal.aborted) return
      isSlow = true
      observer({ type: 'commit-slow', durationMs: SLOW_MS })
    }
    void watch()
    // With a reason, since making an exception for one costs more than the timer.
    return { isSlow: () => isSlow, end: () => ended.abort('ended') }
  }

  #gather(): Segment[] {
    const segments: Segment[] = []
    let room = MAX_RECORDS
    for (const of of this.#o.partitions()) {
      const gathered = room > 0 ? of.ledger.gather(room) : null
      if (gathered === null) continue
      segments.push({ of, gathered })
      for (const piece of gathered.pieces) room -= piece.outputs.length + piece.deadLetters.length
    }
    return segments
  }

  async #failed(error: unknown, wasSlow: boolean): Promise<void> {
    if (!(error instanceof TidemarkError)) throw error
    // Another owner has the partitions, or will: the assignment that follows says which tasks are left.
    if (error.action !== 'retry' && error.action !== 'release') throw error
    const { code } = error
    const isNormal = code === 'REBALANCING'
    const nextAttemptMs = isNormal
      ? WHILE_REBALANCING_MS
      : Math.min(FIRST_RETRY_MS * 2 ** this.#attempt++, LAST_RETRY_MS)
    if (!isNormal || wasSlow) {
      this.#o.observer({ type: 'commit-failed', code, reason: messageOf(error), nextAttemptMs })
    }
    await this.#o.clock.sleep(nextAttemptMs, this.#stop.signal)
    this.nudge()
  }

  #tell(segments: readonly Segment[], commit: Commit, durationMs: number): void {
    const nowMs = this.#o.clock.nowMs()
    this.#o.observer({
      type: 'committed',
      outputs: byTopic([...commit.outputs, ...commit.deadLetters]),
      nextOffsets: commit.nextOffsets.map(({ topic, partition, nextOffset }) => ({
        partition: { topic, partition },
        nextOffset,
      })),
      durationMs,
      endToEndMs: segments.flatMap((s) =>
        s.gathered.pieces.flatMap((p) => (p.oldestMs === null ? [] : [nowMs - p.oldestMs])),
      ),
    })
  }
}

/** Why some work failed; `null` when it did not. */
async function failureOf(work: Promise<void>): Promise<{ error: unknown } | null> {
  try {
    await work
    return null
  } catch (error) {
    return { error }
  }
}

function assemble(segments: readonly Segment[]): Commit {
  const pieces = segments.flatMap((s) => s.gathered.pieces)
  return {
    outputs: pieces.flatMap((p) => p.outputs),
    deadLetters: pieces.flatMap((p) => p.deadLetters),
    nextOffsets: segments.flatMap(({ of, gathered: { last } }) => {
      if (last === null) return []
      const { partition, epoch } = of
      const { nextOffset } = last
      return [{ ...partition, epoch, nextOffset, metadata: of.metadata(last) }]
    }),
  }
}

function byTopic(
  records: readonly NewRecord[],
): { topic: string; records: number; bytes: number }[] {
  const topics = new Map<string, { topic: string; records: number; bytes: number }>()
  for (const { topic, value } of records) {
    const sum = topics.get(topic) ?? { topic, records: 0, bytes: 0 }
    sum.records++
    sum.bytes += value?.length ?? 0
    topics.set(topic, sum)
  }
  return [...topics.values()]
}
