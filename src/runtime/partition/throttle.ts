import type { Clock } from '../../kernel/clock.ts'
import type { Chunk } from '../../records/port.ts'

/** While slowed down: this many records pass at a time, at this interval, ms; 100 a second. */
const SLOW = { records: 10, everyMs: 100 }

interface InletOptions {
  readonly clock: Clock
  readonly isSlow: () => boolean
  readonly pass: (chunk: Chunk) => void
  /** Size of a waiting chunk in memory, bytes. */
  readonly weigh: (chunk: Chunk) => number
  /** Called when a waiting chunk could not pass; nothing after it will. */
  readonly failed: (error: unknown) => void
}

/** Lets a partition's chunks pass in order: at once, or slowly. */
export class Inlet {
  readonly #o: InletOptions
  readonly #dropped = new AbortController()
  #waiting: (Chunk | (() => void))[] = []
  #isPassing = false
  #bytes = 0

  constructor(options: InletOptions) {
    this.#o = options
  }

  /** Has everything passed? */
  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Size in memory of what is waiting. */
  get bytes(): number {
    return this.#bytes
  }

  /** Lets a chunk pass, or makes it wait. */
  add(chunk: Chunk): void {
    if (this.#waiting.length === 0 && !this.#o.isSlow()) this.#o.pass(chunk)
    else {
      this.#bytes += this.#o.weigh(chunk)
      this.#keep(chunk)
    }
  }

  /** Runs `work` once everything that came before has passed. */
  then(work: () => void): void {
    if (this.#waiting.length === 0) work()
    else this.#keep(work)
  }

  /** Lets nothing pass any more; what is waiting is read again by the next owner. */
  drop(): void {
    this.#waiting = []
    this.#bytes = 0
    this.#dropped.abort()
  }

  #keep(item: Chunk | (() => void)): void {
    this.#waiting.push(item)
    if (!this.#isPassing) void this.#passAll().catch(this.#o.failed)
  }

  async #passAll(): Promise<void> {
    this.#isPassing = true
    for (let [item] = this.#waiting; item !== undefined; [item] = this.#waiting) {
      const isSlow = this.#o.isSlow()
      if (isSlow) await this.#o.clock.sleep(SLOW.everyMs, this.#dropped.signal)
      if (this.#dropped.signal.aborted) return
      this.#passOne(item, isSlow)
    }
    this.#isPassing = false
  }

  #passOne(item: Chunk | (() => void), isSlow: boolean): void {
    if (typeof item === 'function' || !isSlow || item.records.length <= SLOW.records) {
      this.#waiting.shift()
      if (typeof item === 'function') item()
      else this.#passChunk(item)
      return
    }
    const records = item.records.slice(0, SLOW.records)
    const rest = item.records.slice(SLOW.records)
    this.#waiting[0] = { ...item, records: rest }
    this.#passChunk({ ...item, records, nextOffset: rest.offsetAt(0) })
  }

  #passChunk(chunk: Chunk): void {
    this.#bytes -= this.#o.weigh(chunk)
    this.#o.pass(chunk)
  }
}
