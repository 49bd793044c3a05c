import type { Chunk } from '../../connect/port.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { Outcomes } from '../events.ts'
import { bytesInMemory, chunkBefore, chunkFrom } from './chunks.ts'

// A partition of which too many records are dead letters continues slowly.

/** While throttled: this many records are processed at a time, at this interval, ms. */
const SLOW = { records: 10, everyMs: 100 }
/** Number of records whose outcomes count. */
const LAST_RECORDS = 1_000

interface ThrottleOptions {
  readonly clock: Clock
  readonly isSlow: () => boolean
  readonly process: (chunk: Chunk) => void
  /** Called when a waiting chunk could not be processed; nothing after it will be. */
  readonly failed: (error: unknown) => void
}

/** Processes a partition's chunks in order: at once, or slowly. */
export class Throttle {
  readonly #o: ThrottleOptions
  readonly #dropped = new AbortController()
  #waiting: (Chunk | (() => void))[] = []
  #isWorking = false
  /** Size in memory of what is waiting. */
  bytes = 0

  constructor(options: ThrottleOptions) {
    this.#o = options
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  add(chunk: Chunk): void {
    if (this.#waiting.length === 0 && !this.#o.isSlow()) this.#o.process(chunk)
    else {
      this.bytes += bytesInMemory(chunk)
      this.#keep(chunk)
    }
  }

  /** Calls `work` once everything that came before is processed. */
  after(work: () => void): void {
    if (this.#waiting.length === 0) work()
    else this.#keep(work)
  }

  /** Drops everything that waits, which the next owner reads again. */
  drop(): void {
    this.#waiting = []
    this.bytes = 0
    this.#dropped.abort()
  }

  #keep(item: Chunk | (() => void)): void {
    this.#waiting.push(item)
    if (!this.#isWorking) void this.#workOff().catch(this.#o.failed)
  }

  async #workOff(): Promise<void> {
    this.#isWorking = true
    for (let [item] = this.#waiting; item !== undefined; [item] = this.#waiting) {
      const isSlow = this.#o.isSlow()
      if (isSlow) await this.#o.clock.sleep(SLOW.everyMs, this.#dropped.signal)
      if (this.#dropped.signal.aborted) return
      this.#next(item, isSlow)
    }
    this.#isWorking = false
  }

  #next(item: Chunk | (() => void), isSlow: boolean): void {
    if (typeof item === 'function' || !isSlow || item.records.length <= SLOW.records) {
      this.#waiting.shift()
      if (typeof item === 'function') item()
      else this.#process(item)
      return
    }
    const next = item.records.offsetAt(SLOW.records)
    this.#waiting[0] = chunkFrom(item, next)
    this.#process(chunkBefore(item, next))
  }

  #process(chunk: Chunk): void {
    this.bytes -= bytesInMemory(chunk)
    this.#o.process(chunk)
  }
}

/**
 * Watches how many of a partition's last 1,000 records, in whole chunks, are dead letters; late
 * ones do not count. It is open while the share exceeds a percentage for any topology: each
 * topology reads all of the records.
 */
export class Breaker {
  readonly #topologies: ReadonlyMap<string, LastRecords>

  /** @param percent 100: it never opens */
  constructor(topologies: readonly string[], percent: number) {
    this.#topologies = new Map(topologies.map((name) => [name, new LastRecords(percent)]))
  }

  get isOpen(): boolean {
    return [...this.#topologies.values()].some(({ isOver }) => isOver)
  }

  /** The share of dead letters of the topology that has the most, %. */
  get deadPercent(): number {
    return Math.max(...[...this.#topologies.values()].map(({ deadPercent }) => deadPercent))
  }

  /** @returns whether further outcomes have opened or closed it */
  took(topology: string, outcomes: Outcomes): boolean {
    const wasOpen = this.isOpen
    this.#topologies.get(topology)?.add(outcomes)
    return this.isOpen !== wasOpen
  }
}

class LastRecords {
  /** Whether the share of dead letters exceeds the limit. */
  isOver = false
  readonly #percent: number
  readonly #chunks: { readonly records: number; readonly dead: number }[] = []
  #records = 0
  #dead = 0

  constructor(percent: number) {
    this.#percent = percent
  }

  get deadPercent(): number {
    return this.#records === 0 ? 0 : (100 * this.#dead) / this.#records
  }

  add({ scored, windowed, skipped, duplicate, late, dead }: Outcomes): void {
    const records = scored + windowed + skipped + duplicate + late + dead
    if (records === 0) return
    this.#chunks.push({ records, dead })
    this.#records += records
    this.#dead += dead
    for (let [first] = this.#chunks; first !== undefined; [first] = this.#chunks) {
      if (this.#records - first.records < LAST_RECORDS) break
      this.#chunks.shift()
      this.#records -= first.records
      this.#dead -= first.dead
    }
    this.isOver = this.#records >= LAST_RECORDS && this.deadPercent > this.#percent
  }
}
