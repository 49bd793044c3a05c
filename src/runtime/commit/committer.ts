import type { Commit, Member, RecordSink, TopicPartition } from '../../connect/port.ts'
import { WrittenRecords } from '../../connect/written-records.ts'
import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import { Backoff } from '../../kernel/random.ts'
import { formatDuration } from '../../kernel/time.ts'
import type { WorkerConfig } from '../config.ts'
import type { WorkerContext } from '../context.ts'
import { CommitSize } from './commit-size.ts'
import type { CommitPart, InFlight, RestartPoint } from './in-flight.ts'
import { totalSize, type WriteSize } from './output-batch.ts'
import { writeOutside } from './outside-sinks.ts'

// Commits for all partitions of a worker. One is in flight while the next is gathered. Every
// commit, and every attempt of it, is assembled from the current partitions: the
// pending work of a lost partition is published by its new owner (rule C1).

/**
 * Shortest and longest time from the start of one commit to the start of the next, ms. A
 * transaction that follows too closely meets the markers of the one before; writes without
 * transactions go out almost at once.
 */
const PACE_MS = {
  'exactly-once': { shortest: 10, longest: 250 },
  'at-least-once': { shortest: 3, longest: 100 },
} as const
/** Records per millisecond of pace: a full commit costs less per record than many small ones. */
const RECORDS_PER_MS = 100
/** The most records in one commit; a single record may lead to more. */
const MAX_RECORDS = 50_000
/** A commit in flight, and a rebalance without a commit, are reported after this long, ms. */
const SLOW_MS = 5_000
const RETRY = { firstMs: 100, lastMs: 10_000 }
/** Wait before a retry during a rebalance, ms: that is not an error, and nearly always over at once. */
const WHILE_REBALANCING_MS = 50

/** A partition whose work is committed. */
export interface Committable {
  readonly partition: TopicPartition
  readonly epoch: number
  readonly inFlight: InFlight
  /** The commit metadata for a restart point. */
  metadata(point: RestartPoint): string
}

interface CommitterOptions extends WorkerContext {
  readonly config: Pick<WorkerConfig, 'guarantee' | 'commitIntervalMs' | 'maxCommitBytes'>
  /** Whether anything waits for the next commit: only the shortest time between commits is kept. */
  readonly isUrgent: () => boolean
  readonly partitions: () => readonly Committable[]
  /** By the name of sinks outside the log. @default all are in the log */
  readonly sinks?: ReadonlyMap<string, RecordSink> | undefined
  /** Called when a commit has succeeded. */
  onCommitted(): void
}

interface Segment extends CommitPart {
  readonly committable: Committable
}

export class Committer {
  readonly #o: CommitterOptions
  readonly #stop = new AbortController()
  #urgent = new AbortController()
  readonly #size: CommitSize
  readonly #backoff: Backoff
  #wake: () => void = () => {}
  /** When commits began to fail, or when that was last reported; `null`: the last one succeeded. */
  #failingSinceMs: number | null = null
  /** When brokers accept records again. */
  #mayWriteMs = Number.NEGATIVE_INFINITY
  /** How long brokers have throttled writing, because the next commit waits for it, ms. */
  #throttledMs = { beforeLast: 0, sinceLast: 0 }
  /** Whether a slow or failing commit was reported, and its end was not yet. */
  #isInTrouble = false
  #toldPace: number | null = null
  /** Whether the last commit had no room for all that was finished. */
  #isFull = false
  /** Index of the partition that is gathered first when there is not room for all. */
  #turn = 0

  constructor(options: CommitterOptions) {
    this.#o = options
    this.#size = new CommitSize(options.config.maxCommitBytes)
    this.#backoff = new Backoff(RETRY, options.random)
  }

  /** Called when there may be something to commit. */
  nudge(): void {
    this.#wake()
  }

  /** Called when a broker, because of earlier records, accepts none for `ms`. */
  throttled(ms: number): void {
    this.#throttledMs.sinceLast += ms
    this.#mayWriteMs = Math.max(this.#mayWriteMs, this.#o.clock.elapsedMs() + ms)
  }

  /** Called when something waits for the next commit. */
  hurry(): void {
    this.#urgent.abort()
  }

  /** Commits through a member until {@link stop}; rejects with the error that ends the worker. */
  async run(member: Member): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      const startMs = this.#o.clock.elapsedMs()
      const size = await this.#commitOnce(member)
      if (size === 0) await this.#rest(woken)
      else await this.#keepPace(startMs, size)
    }
  }

  /** Ends {@link run} after the commit in flight. */
  stop(): void {
    this.#stop.abort()
    this.hurry()
    this.#wake()
  }

  /** @returns the number of records plus one for each partition; 0: nothing was committed */
  async #commitOnce(member: Member): Promise<number> {
    const segments = this.#gather()
    if (segments.length === 0) {
      this.#over()
      return 0
    }
    const commit = assemble(segments)
    const startMs = this.#o.clock.elapsedMs()
    const mayWriteMs = this.#mayWriteMs
    const endWatch = this.#watchTime(startMs)
    try {
      const committing = writeOutside(commit, this.#o.sinks).then((rest) => member.commit(rest))
      await committing.finally(endWatch)
    } catch (error) {
      await this.#failed(error, segments, startMs)
      return 0
    }
    this.#over()
    for (const segment of segments) segment.committable.inFlight.committed(segment)
    this.#o.onCommitted()
    const endMs = this.#o.clock.elapsedMs()
    // Includes throttling because of this commit, but not because of earlier ones.
    const heldUpMs = Math.max(endMs, this.#mayWriteMs) - Math.max(startMs, mayWriteMs)
    const { bytes, records } = sizeOf(segments)
    this.#size.committed(bytes, heldUpMs)
    this.#tell(segments, endMs - startMs)
    this.#throttledMs = { beforeLast: this.#throttledMs.sinceLast, sinceLast: 0 }
    this.#tellPace()
    return records + segments.length
  }

  /** Waits for something to commit. After a while without, writing no longer counts as slow. */
  async #rest(woken: Promise<void>): Promise<void> {
    if (this.#toldPace !== null) {
      const isWoken = new AbortController()
      void woken.then(() => isWoken.abort('woken'))
      await this.#o.clock.sleep(SLOW_MS, isWoken.signal)
      if (isWoken.signal.aborted) return
      this.#size.rested()
      this.#tellPace()
    }
    await woken
  }

  /** Waits until the next commit may start. */
  async #keepPace(startMs: number, size: number): Promise<void> {
    const { clock, config } = this.#o
    const { guarantee, commitIntervalMs } = config
    // A commit that is full already does not get cheaper by waiting.
    const isUrgent = () => this.#o.isUrgent() || this.#isFull
    const { shortest, longest } = PACE_MS[guarantee]
    const paceMs = commitIntervalMs ?? Math.max(shortest, Math.min(size / RECORDS_PER_MS, longest))
    const until = async (ms: number, signal: AbortSignal) => {
      const leftMs = startMs + ms - clock.elapsedMs()
      if (leftMs > 0) await clock.sleep(leftMs, signal)
    }
    this.#urgent = new AbortController()
    if (this.#stop.signal.aborted) return
    if (!isUrgent()) await until(paceMs, this.#urgent.signal)
    if (isUrgent()) await until(Math.min(shortest, paceMs), this.#stop.signal)
  }

  /** The contents of failing or slow commits are committed now, or lost. */
  #over(): void {
    this.#backoff.reset()
    this.#failingSinceMs = null
    if (!this.#isInTrouble) return
    this.#isInTrouble = false
    this.#o.observer({ type: 'trouble', kind: 'commit', reason: null })
  }

  #inTrouble(reason: string): void {
    this.#isInTrouble = true
    this.#o.observer({ type: 'trouble', kind: 'commit', reason })
  }

  /** Reports a commit that takes long while something waits for it, until the returned call. */
  #watchTime(startMs: number): () => void {
    const { clock } = this.#o
    const ended = new AbortController()
    const watch = async () => {
      for (let durationMs = SLOW_MS; ; durationMs += SLOW_MS) {
        const leftMs = () => startMs + durationMs - clock.elapsedMs()
        while (leftMs() > 0 && !ended.signal.aborted) await clock.sleep(leftMs(), ended.signal)
        if (ended.signal.aborted) return
        if (this.#o.partitions().every(({ inFlight }) => inFlight.isEmpty)) continue
        if (!this.#isInTrouble) this.#inTrouble(this.#slowCommit(durationMs))
        return
      }
    }
    void watch()
    // Aborts with a reason: without one, Node creates an exception, which costs more than the
    // timer.
    return () => ended.abort('ended')
  }

  #slowCommit(durationMs: number): string {
    const ms = this.#throttled()
    const throttled = ms === 0 ? '' : `, throttled by the broker ${formatDuration(ms)}`
    return `a commit has been on its way for ${formatDuration(durationMs)}${throttled}`
  }

  #throttled(): number {
    return this.#throttledMs.beforeLast + this.#throttledMs.sinceLast
  }

  #gather(): Segment[] {
    const segments: Segment[] = []
    const left = { bytes: this.#size.bytes, records: MAX_RECORDS }
    const partitions = this.#o.partitions()
    const first = this.#turn % Math.max(partitions.length, 1)
    this.#isFull = false
    for (const committable of [...partitions.slice(first), ...partitions.slice(0, first)]) {
      const part = committable.inFlight.gather(left, segments.length === 0 ? 1 : 0)
      this.#isFull ||= !part.isAll
      if (part.from.length === 0) continue
      segments.push({ committable, ...part })
      const { bytes, records } = totalSize(part.batches)
      left.bytes -= bytes
      left.records -= records
    }
    // Otherwise the partitions that come first would leave no room for the others, again and again.
    if (this.#isFull) this.#turn++
    return segments
  }

  /** Waits until a failed commit may be retried. */
  async #failed(error: unknown, segments: readonly Segment[], startMs: number): Promise<void> {
    if (!(error instanceof TidemarkError)) throw error
    // Another worker owns the partitions, or will: the next assignment decides which tasks are
    // left.
    if (error.action !== 'retry' && error.action !== 'release') throw error
    const { clock, observer } = this.#o
    const { code } = error
    if (code === 'COMMIT_TIMED_OUT') this.#size.timedOut(sizeOf(segments).bytes)
    const isRebalance = code === 'REBALANCING'
    const nextAttemptMs = isRebalance ? WHILE_REBALANCING_MS : this.#backoff.nextMs()
    const nowMs = clock.elapsedMs()
    this.#failingSinceMs ??= startMs
    // Lost partitions are reported as lost, and nothing of them waits for a commit.
    const owned = new Set(this.#o.partitions())
    const isOwned = segments.some(({ committable }) => owned.has(committable))
    if ((!isRebalance || nowMs - this.#failingSinceMs >= SLOW_MS) && isOwned) {
      this.#failingSinceMs = nowMs
      const reason = messageOf(error)
      observer({ type: 'commit-failed', code, reason, nextAttemptMs })
      this.#inTrouble(reason)
    }
    await clock.sleep(nextAttemptMs, this.#stop.signal)
    this.nudge()
  }

  #tellPace(): void {
    const bytesPerSecond = this.#size.pace
    if ((bytesPerSecond === null) === (this.#toldPace === null)) return
    this.#toldPace = bytesPerSecond
    const why = this.#throttled() === 0 ? '' : ', because they throttle this client'
    const kilobytes = Math.ceil((bytesPerSecond ?? 0) / 1_000)
    const reason = `writing is slow: about ${kilobytes} KB a second get through to the brokers${why}`
    const isOver = bytesPerSecond === null
    this.#o.observer({ type: 'trouble', kind: 'writing', reason: isOver ? null : reason })
  }

  #tell(segments: readonly Segment[], durationMs: number): void {
    const nowMs = this.#o.clock.nowMs()
    this.#o.observer({
      type: 'committed',
      outputs: writtenBy(segments, nowMs),
      nextOffsets: segments.flatMap(({ committable: { partition }, upTo }) =>
        upTo === null ? [] : [{ partition, nextOffset: upTo.nextOffset }],
      ),
      durationMs,
    })
  }
}

function assemble(segments: readonly Segment[]): Commit {
  const batches = segments.flatMap((s) => s.batches)
  return {
    outputs: WrittenRecords.joined(batches.map((b) => b.outputs.records)),
    deadLetters: WrittenRecords.joined(batches.map((b) => b.deadLetters.records)),
    nextOffsets: segments.flatMap(({ committable, upTo }) => {
      if (upTo === null) return []
      const { partition, epoch } = committable
      const { nextOffset } = upTo
      return [{ ...partition, epoch, nextOffset, metadata: committable.metadata(upTo) }]
    }),
    isSmallest: segments.length === 1 && segments[0]?.isSmallest === true,
  }
}

function sizeOf(segments: readonly Segment[]): WriteSize {
  return totalSize(segments.flatMap((s) => s.batches))
}

/** Written records and bytes by topic, with the end-to-end latency of each batch's oldest record. */
function writtenBy(segments: readonly Segment[], nowMs: number) {
  const all = segments.flatMap((s) => s.batches).flatMap((b) => b.topics)
  const firsts = all.filter(({ topic }, i) => all.findIndex((s) => s.topic === topic) === i)
  return firsts.map(({ topic, isOutput }) => {
    const shares = all.filter((share) => share.topic === topic)
    const oldestMs = shares.map((share) => share.oldestMs).filter(Number.isFinite)
    const endToEndMs = oldestMs.map((ms) => Math.max(0, nowMs - ms))
    return { topic, isOutput, ...totalSize(shares), endToEndMs }
  })
}
