import type { RunMode } from '../../engine/run.ts'
import type { Format } from '../../formats/format.ts'
import { Retrier, type Trying } from '../../kernel/retrier.ts'
import type { LogRecords } from '../../records/port.ts'
import { isUnknownSchema, type Verdicts } from '../commit/verdicts.ts'
import type { TaskLabels } from '../events.ts'
import type { RecordFault } from '../output/dead-letter.ts'
import type { TaskContext } from '../output/task-context.ts'

/** The longest wait is a fraction of the time after which a missing schema is given up. */
const WAITS = { firstMs: 250, lastMs: 2_000 }
/** Records of an unknown schema are reported as over when none came for this long, ms. */
const OVER_AFTER_MS = 60_000

interface Awaited {
  readonly labels: TaskLabels
  /** `null`: the topology gives no record up, or has no windows to replay. */
  readonly verdicts: Verdicts | null
}

/**
 * Prepares the records of one partition for decoding. A schema registry that does not answer is
 * asked until it does: the partition waits meanwhile, and its records become no dead letters.
 */
export class SchemaWait {
  readonly #format: Format
  readonly #verdicts: Verdicts | null
  readonly #context: TaskContext
  readonly #labels: TaskLabels
  readonly #retrier: Retrier
  /** When a record last had an unknown schema; `null`: none had, or that is over. */
  #unknownMs: number | null = null

  constructor(format: Format, { labels, verdicts }: Awaited, context: TaskContext) {
    this.#format = format
    this.#verdicts = verdicts
    this.#context = context
    this.#labels = labels
    this.#retrier = new Retrier(context)
  }

  /**
   * @returns the records to decode, in a replay without those that were given up; a promise if
   * there is something to wait for, which also resolves when the partition is lost
   */
  prepare(records: LogRecords, mode: RunMode): LogRecords | Promise<LogRecords> {
    const verdicts = this.#verdicts
    if (verdicts?.isRead === false) return this.#readFirst(verdicts, records, mode)
    const kept = mode === 'replay' ? (verdicts?.kept(records) ?? records) : records
    const how = { clock: this.#context.clock, mayGiveUp: mode === 'live' }
    const attempt = () => this.#format.prepare(kept, how)
    const begun = attempt()
    return begun === null ? kept : this.#until({ attempt, begun }).then(() => kept)
  }

  /** Follows a live chunk, by its records that cannot be decoded. */
  follow(faults: readonly RecordFault[]): void {
    if (faults.length === 0 && this.#unknownMs === null) return
    const nowMs = this.#context.clock.elapsedMs()
    const unknown = faults.find(({ error }) => isUnknownSchema(error))
    if (unknown !== undefined) {
      if (this.#unknownMs === null) this.#tellUnknown(unknown.error.message)
      this.#unknownMs = nowMs
    } else if (this.#unknownMs !== null && nowMs - this.#unknownMs >= OVER_AFTER_MS) {
      this.#tellUnknown(null)
      this.#unknownMs = null
    }
  }

  get isHeldUp(): boolean {
    return this.#retrier.isHeldUp
  }

  /** The partition is lost. */
  stop(): void {
    this.#retrier.stop()
  }

  async #readFirst(verdicts: Verdicts, records: LogRecords, mode: RunMode): Promise<LogRecords> {
    await this.#until({ attempt: () => verdicts.read() })
    return verdicts.isRead ? this.prepare(records, mode) : records
  }

  #until(tried: Pick<Trying<void | null>, 'attempt' | 'begun'>): Promise<void | null> {
    const { observer } = this.#context
    return this.#retrier.until({
      ...tried,
      waits: WAITS,
      isTemporary: ({ action }) => action === 'retry',
      tell: (reason) => observer({ type: 'schema-missing', ...this.#labels, reason }),
    })
  }

  #tellUnknown(reason: string | null): void {
    this.#context.observer({ type: 'schema-unknown', ...this.#labels, reason })
  }
}
