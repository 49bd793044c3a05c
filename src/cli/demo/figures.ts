import type { Clock } from '../../kernel/clock.ts'
import type { EventOf } from '../../observe/observer.ts'
import type { Observer } from '../../runtime/events.ts'

/** The rate is averaged over at least this time, or over the time since the last snapshot, ms. */
const RATE_OVER_MS = 2_000

/** A worker's figures at one moment. */
export interface Snapshot {
  /** Records per second, recently. */
  readonly perSecond: number
  /** The least of all partitions, ms since the epoch; −Infinity before the first event. */
  readonly watermarkMs: number
  /** Number of records not processed yet. */
  readonly lag: number
  readonly predictions: number
  readonly deadLetters: number
  readonly batchMs: Percentiles
}

/** Percentiles by nearest rank; NaN if there are no values. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
}

/** Rows per scored batch. */
export interface Batches {
  readonly smallest: number
  readonly largest: number
  readonly mean: number
}

interface Partition {
  endOffset: number
  nextOffset: number
  watermarkMs: number
}

/** Collects a worker's figures from its runtime events. */
export class Figures {
  readonly #clock: Clock
  readonly #partitions = new Map<number, Partition>()
  readonly #batchMs: number[] = []
  readonly #batchRows: number[] = []
  readonly #recent: { atMs: number; records: number }[] = []
  #records = 0
  #predictions = 0
  #deadLetters = 0
  #chunksOpen = 0
  #busySinceMs = 0
  #busyMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  readonly observer: Observer = (event) => {
    if (event.type === 'consumed') this.#consumed(event)
    if (event.type === 'processed') this.#processed(event)
    if (event.type === 'dead-letter') this.#deadLetters++
    if (event.type !== 'inference') return
    this.#batchMs.push(event.durationMs)
    this.#batchRows.push(event.rows)
  }

  snapshot(): Snapshot {
    const partitions = [...this.#partitions.values()]
    return {
      perSecond: this.#rate(),
      watermarkMs: Math.min(...partitions.map((p) => p.watermarkMs)),
      lag: partitions.reduce((sum, p) => sum + p.endOffset - p.nextOffset, 0),
      predictions: this.#predictions,
      deadLetters: this.#deadLetters,
      batchMs: this.batchMs,
    }
  }

  get records(): number {
    return this.#records
  }

  get predictions(): number {
    return this.#predictions
  }

  /** Records per second of the time in which there were records to process. */
  get perBusySecond(): number {
    return this.#records / (Math.max(this.#busyMs, 1) / 1_000)
  }

  /** How long the model took per batch, ms. */
  get batchMs(): Percentiles {
    const sorted = this.#batchMs.toSorted((a, b) => a - b)
    const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
    return { p50: rank(0.5), p99: rank(0.99) }
  }

  get batches(): Batches {
    const rows = this.#batchRows.toSorted((a, b) => a - b)
    const [smallest = 0] = rows
    const largest = rows.at(-1) ?? 0
    return { smallest, largest, mean: this.#predictions / Math.max(rows.length, 1) }
  }

  #consumed({ partition, records, endOffset }: EventOf<'consumed'>): void {
    this.#partition(partition.partition).endOffset = endOffset
    this.#records += records
    if (records === 0) return
    if (this.#chunksOpen === 0) this.#busySinceMs = this.#clock.elapsedMs()
    this.#chunksOpen++
  }

  #processed({ partition, outcomes, watermarkMs, nextOffset }: EventOf<'processed'>): void {
    Object.assign(this.#partition(partition.partition), { watermarkMs, nextOffset })
    this.#predictions += outcomes.scored
    // This event also comes without a chunk: when a start is claimed, or when time passes.
    if (Object.values(outcomes).every((n) => n === 0)) return
    this.#chunksOpen--
    if (this.#chunksOpen === 0) this.#busyMs += this.#clock.elapsedMs() - this.#busySinceMs
  }

  #partition(number: number): Partition {
    const fresh = { endOffset: 0, nextOffset: 0, watermarkMs: Number.NEGATIVE_INFINITY }
    const partition = this.#partitions.get(number) ?? fresh
    this.#partitions.set(number, partition)
    return partition
  }

  #rate(): number {
    const now = { atMs: this.#clock.elapsedMs(), records: this.#records }
    this.#recent.push(now)
    while (now.atMs - (this.#recent[1]?.atMs ?? now.atMs) >= RATE_OVER_MS) this.#recent.shift()
    const then = this.#recent[0] ?? now
    return (now.records - then.records) / Math.max((now.atMs - then.atMs) / 1_000, 0.001)
  }
}
