import type { RecordSink } from '../../../connect/port.ts'
import { WrittenRecords } from '../../../connect/written-records.ts'
import type { Clock } from '../../../kernel/clock.ts'
import { messageOf } from '../../../kernel/errors.ts'

const MOST_RECORDS = 16_384
/** How long nothing is written after a failure, ms. */
const PAUSE_MS = 5_000
const TELL_EVERY_MS = 60_000

interface WriterOptions {
  /** Called once, with the first records. */
  readonly open: () => RecordSink
  readonly clock: Clock
  readonly report: WriterReport
  readonly changed: () => void
}

export interface WriterReport {
  outputs(written: number, dropped: number): void
  /** Called with why records cannot be written, at most once a minute; `null`: they can again. */
  unwritten(reason: string | null): void
}

/** Writes records that may get lost: what cannot be written soon is dropped and counted. */
export class BestEffortWriter {
  readonly #o: WriterOptions
  #writer: RecordSink | null = null
  #waiting: WrittenRecords[] = []
  #held = 0
  #isClosed = false
  #resumesMs = Number.NEGATIVE_INFINITY
  #toldMs = Number.NEGATIVE_INFINITY
  #isFailing = false

  constructor(options: WriterOptions) {
    this.#o = options
  }

  get isIdle(): boolean {
    return this.#held === 0
  }

  /** The records belong to the writer from now on. */
  offer(records: WrittenRecords): void {
    const { clock, report } = this.#o
    const isPausing = this.#isClosed || clock.elapsedMs() < this.#resumesMs
    if (isPausing || this.#held + records.length > MOST_RECORDS) {
      report.outputs(0, records.length)
      records.free()
      return
    }
    const isSending = this.#held > 0
    this.#held += records.length
    this.#waiting.push(records)
    if (!isSending) void this.#send()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#drop(this.#waiting.splice(0))
    await this.#writer?.close()
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const all = this.#waiting.splice(0)
      try {
        this.#writer ??= this.#o.open()
        await this.#writer.write(WrittenRecords.joined(all))
        if (this.#isFailing) this.#o.report.unwritten(null)
        this.#isFailing = false
        this.#done(all, (records) => this.#o.report.outputs(records, 0))
      } catch (error) {
        this.#failed(error)
        this.#drop([...all, ...this.#waiting.splice(0)])
      }
    }
  }

  #drop(all: readonly WrittenRecords[]): void {
    this.#done(all, (records) => this.#o.report.outputs(0, records))
  }

  #done(all: readonly WrittenRecords[], count: (records: number) => void): void {
    const records = all.reduce((sum, { length }) => sum + length, 0)
    for (const each of all) each.free()
    this.#held -= records
    if (records > 0) count(records)
    this.#o.changed()
  }

  #failed(error: unknown): void {
    const { clock, report } = this.#o
    const nowMs = clock.elapsedMs()
    this.#resumesMs = nowMs + PAUSE_MS
    if (this.#isClosed || nowMs - this.#toldMs < TELL_EVERY_MS) return
    this.#toldMs = nowMs
    this.#isFailing = true
    report.unwritten(messageOf(error))
  }
}
