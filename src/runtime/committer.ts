import type { Clock } from '../kernel/clock.ts'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { Commit, Member, NewRecord } from '../records/port.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import type { Observer } from './events.ts'
import type { Gathered } from './ledger.ts'

// Commits for all partitions of a worker. One is in flight while the next is gathered. Every commit, and every attempt of it,
// is assembled from the partitions as they are now: what a lost one had pending is its new owner's to publish (PROTOCOL C1).

/** Shortest and longest time from the start of one commit to the start of the next. */
const PACE_MS = { shortest: 10, longest: 100 }
/** Records a millisecond of pace is worth: a full commit costs less per record than many small ones. */
const RECORDS_PER_MS = 100
/** Most records in one commit, so that a first one after an outage does not take minutes. */
const MAX_RECORDS = 20_000
const FIRST_RETRY_MS = 100
/** Nothing is wrong then: it is over in a moment. */
const WHILE_REBALANCING_MS = 50
const LAST_RETRY_MS = 10_000

export interface CommitterOptions {
  readonly member: Member
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
  #wake: () => void = () => {}
  #attempt = 0

  constructor(options: CommitterOptions) {
    this.#o = options
  }

  /** There may be something to commit. */
  nudge(): void {
    this.#wake()
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
      const paceMs = Math.min(Math.max(PACE_MS.shortest, records / RECORDS_PER_MS), PACE_MS.longest)
      await this.#o.clock.sleep(startMs + paceMs - this.#o.clock.elapsedMs(), this.#stop.signal)
    }
  }

  /** Ends {@link run} after the commit in flight. */
  stop(): void {
    this.#stop.abort()
    this.#wake()
  }

  /** Commits what is finished now; returns the records it took from the log, 0 when there was nothing or it failed. */
  async commitOnce(): Promise<number> {
    const segments = this.#gather()
    if (segments.length === 0) return 0
    const commit = assemble(segments)
    const startMs = this.#o.clock.elapsedMs()
    try {
      await this.#o.member.commit(commit)
    } catch (error) {
      await this.#failed(error)
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

  async #failed(error: unknown): Promise<void> {
    if (!(error instanceof TidemarkError)) throw error
    // Another owner has the partitions, or will: the assignment that follows says which tasks are left.
    if (error.action !== 'retry' && error.action !== 'release') throw error
    if (error.code === 'REBALANCING') {
      await this.#o.clock.sleep(WHILE_REBALANCING_MS, this.#stop.signal)
      this.nudge()
      return
    }
    const nextAttemptMs = Math.min(FIRST_RETRY_MS * 2 ** this.#attempt++, LAST_RETRY_MS)
    const { code } = error
    this.#o.observer({ type: 'commit-failed', code, reason: messageOf(error), nextAttemptMs })
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
