import { partitionName } from '../kernel/ids.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Observer } from '../runtime/events.ts'
import { byType, type EventOf } from './by-type.ts'

/** Status of a worker, or of one of its topologies. */
export interface Status {
  /** Set only where the worker has several topologies. */
  readonly topology?: string
  readonly partitions: number
  /** Records read a second, since the last status. */
  readonly inPerSecond: number
  /**
   * Outputs committed a second, without dead letters. Absent in the status of one topology among
   * several, since a commit contains the outputs of all.
   */
  readonly outPerSecond?: number
  /** Records not yet processed; `null` while the end of a partition is not known. */
  readonly lag: number | null
  /** The lowest watermark of its partitions, ISO; `null` before the first event. */
  readonly watermark: string | null
  /**
   * The longest time from a record's timestamp to the acknowledgement of its output; `null`: there
   * was no output.
   */
  readonly delay?: string | null
  /** Since the last status. */
  readonly deadLetters: number
}

interface PartitionProgress {
  nextOffset: number
  /** `null`: not known. */
  endOffset: number | null
  watermarkMs: number
}

/** What one topology did since the last status, and the progress of its partitions. */
class TopologyProgress {
  readonly partitions = new Map<string, PartitionProgress>()
  records = 0
  deadLetters = 0
}

/** Follows a worker and reports its status. */
export class StatusBoard {
  readonly #topologies = new Map<string, TopologyProgress>()
  #isRunning = false
  #outputs = 0
  #delayMs = Number.NEGATIVE_INFINITY
  #sinceMs: number

  /** @param nowMs of a clock that never goes back */
  constructor(nowMs: number) {
    this.#sinceMs = nowMs
  }

  readonly observer: Observer = byType({
    state: ({ state }) => {
      this.#isRunning = state === 'running'
    },
    assigned: (event) =>
      this.#of(event).partitions.set(partitionName(event.partition), {
        nextOffset: event.nextOffset,
        endOffset: null,
        watermarkMs: Number.NEGATIVE_INFINITY,
      }),
    lost: (event) => this.#of(event).partitions.delete(partitionName(event.partition)),
    unreadable: ({ partitions }) => {
      for (const name of partitions.map(partitionName)) {
        for (const of of this.#topologies.values()) {
          const progress = of.partitions.get(name)
          if (progress !== undefined) progress.endOffset = null
        }
      }
    },
    consumed: (event) => {
      this.#of(event).records += event.records
      const progress = this.#progress(event)
      if (progress !== undefined) progress.endOffset = event.endOffset
    },
    processed: (event) => {
      const progress = this.#progress(event)
      if (progress === undefined) return
      progress.nextOffset = event.nextOffset
      progress.watermarkMs = event.watermarkMs
    },
    'dead-letter': (event) => {
      this.#of(event).deadLetters++
    },
    committed: ({ outputs }) => {
      for (const { isOutput, records, endToEndMs } of outputs) {
        if (isOutput) this.#outputs += records
        for (const ms of endToEndMs) this.#delayMs = Math.max(this.#delayMs, ms)
      }
    },
  })

  /**
   * The status of the worker as a whole, then of each topology where there are several. Counts
   * since the last status start again at 0.
   */
  take(nowMs: number): Status[] {
    const seconds = Math.max(nowMs - this.#sinceMs, 1) / 1_000
    const topologies = [...this.#topologies]
    const all = topologies.map(([, of]) => of)
    const { partitions, inPerSecond, lag, watermark, deadLetters } = statusOf(all, seconds)
    const outPerSecond = perSecond(this.#outputs, seconds)
    const delay = Number.isFinite(this.#delayMs) ? formatDuration(this.#delayMs) : null
    const rates = { partitions, inPerSecond, outPerSecond }
    // A worker without partitions either is not needed or is not yet a member of the group.
    const isKnown = this.#isRunning || partitions > 0
    const worker = { ...rates, lag: isKnown ? lag : null, watermark, delay, deadLetters }
    const each = topologies.map(([topology, of]) => ({ topology, ...statusOf([of], seconds) }))
    this.#sinceMs = nowMs
    this.#outputs = 0
    this.#delayMs = Number.NEGATIVE_INFINITY
    for (const [, of] of topologies) {
      of.records = 0
      of.deadLetters = 0
    }
    return each.length > 1 ? [worker, ...each] : [worker]
  }

  #of({ topology }: { readonly topology: string }): TopologyProgress {
    const of = this.#topologies.get(topology) ?? new TopologyProgress()
    this.#topologies.set(topology, of)
    return of
  }

  #progress(event: EventOf<'consumed' | 'processed'>): PartitionProgress | undefined {
    return this.#of(event).partitions.get(partitionName(event.partition))
  }
}

function statusOf(of: readonly TopologyProgress[], seconds: number): Status {
  const progress = of.flatMap(({ partitions }) => [...partitions.values()])
  const names = new Set(of.flatMap(({ partitions }) => [...partitions.keys()]))
  const lags = progress.map(({ nextOffset, endOffset }) =>
    endOffset === null ? null : Math.max(0, endOffset - nextOffset),
  )
  const watermarks = progress.map(({ watermarkMs }) => watermarkMs).filter(Number.isFinite)
  const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0)
  return {
    partitions: names.size,
    inPerSecond: perSecond(sum(of.map(({ records }) => records)), seconds),
    lag: lags.includes(null) ? null : sum(lags as number[]),
    watermark: watermarks.length === 0 ? null : new Date(Math.min(...watermarks)).toISOString(),
    deadLetters: sum(of.map(({ deadLetters }) => deadLetters)),
  }
}

/** With one decimal below 10. */
function perSecond(count: number, seconds: number): number {
  const rate = count / seconds
  return rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate)
}
