import type { RecordSink } from '../../../connect/port.ts'
import { WrittenRecords } from '../../../connect/written-records.ts'
import { messageOf } from '../../../kernel/errors.ts'
import type { WorkerContext } from '../../context.ts'
import type { ShadowLabels } from '../../events.ts'

const MOST_RECORDS = 16_384
/** How long nothing is written after a failure, ms. */
const PAUSE_MS = 5_000
const TELL_EVERY_MS = 60_000

/** What reports about a shadow need. */
export interface ShadowReporting extends Pick<WorkerContext, 'clock' | 'observer'> {
  readonly labels: ShadowLabels
  readonly changed: () => void
}

interface WriterOptions extends ShadowReporting {
  /** Called once, with the first records. */
  readonly open: () => RecordSink
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
    const isPausing = this.#isClosed || this.#o.clock.elapsedMs() < this.#resumesMs
    if (isPausing || this.#held + records.length > MOST_RECORDS) {
      this.#tell({ written: 0, dropped: records.length })
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
    this.#done(this.#waiting.splice(0), 'dropped')
    await this.#writer?.close()
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const all = this.#waiting.splice(0)
      try {
        this.#writer ??= this.#o.open()
        await this.#writer.write(WrittenRecords.joined(all))
        if (this.#isFailing) this.#tellFailing(null)
        this.#done(all, 'written')
      } catch (error) {
        this.#failed(error)
        this.#done([...all, ...this.#waiting.splice(0)], 'dropped')
      }
    }
  }

  #done(all: readonly WrittenRecords[], how: 'written' | 'dropped'): void {
    const records = all.reduce((sum, { length }) => sum + length, 0)
    for (const each of all) each.free()
    this.#held -= records
    if (records > 0) this.#tell({ written: 0, dropped: 0, [how]: records })
    this.#o.changed()
  }

  #failed(error: unknown): void {
    const nowMs = this.#o.clock.elapsedMs()
    this.#resumesMs = nowMs + PAUSE_MS
    if (this.#isClosed || nowMs - this.#toldMs < TELL_EVERY_MS) return
    this.#toldMs = nowMs
    this.#tellFailing(messageOf(error))
  }

  #tell(counts: { readonly written: number; readonly dropped: number }): void {
    this.#o.observer({ type: 'shadow-outputs', ...this.#o.labels, ...counts })
  }

  #tellFailing(reason: string | null): void {
    this.#isFailing = reason !== null
    this.#o.observer({ type: 'trouble', kind: 'shadow', ...this.#o.labels, reason })
  }
}
