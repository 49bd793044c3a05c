import type { LogRecords } from '../../connect/port.ts'
import type { RunMode } from '../../engine/run.ts'
import type { Format } from '../../formats/format.ts'
import type { Trying } from '../../kernel/retrier.ts'
import { isUnknownSchema, type SkippedRecords } from '../commit/skipped-records.ts'
import type { RecordFault } from '../output/dead-letter.ts'
import type { Retrying } from '../output/model-retrier.ts'

/** The longest wait is a fraction of the time after which a missing schema is given up. */
const WAITS = { firstMs: 250, lastMs: 2_000 }
/** Records of an unknown schema are reported as over when none came for this long, ms. */
const OVER_AFTER_MS = 60_000

/**
 * Prepares the records of one partition for decoding. A schema registry that does not answer is
 * asked until it does: the partition waits meanwhile, and its records become no dead letters.
 */
export class SchemaWait {
  readonly #format: Format
  readonly #skippedRecords: SkippedRecords | null
  readonly #o: Retrying
  /** When a record last had an unknown schema; `null`: none had, or that is over. */
  #unknownMs: number | null = null

  /** @param skippedRecords `null`: the topology gives no record up, or has no windows to replay */
  constructor(format: Format, skippedRecords: SkippedRecords | null, options: Retrying) {
    this.#format = format
    this.#skippedRecords = skippedRecords
    this.#o = options
  }

  /**
   * Resolves with the records to decode, in a replay without those that were given up, and also
   * when the partition is lost.
   */
  async prepare(records: LogRecords, mode: RunMode): Promise<LogRecords> {
    const skippedRecords = this.#skippedRecords
    if (skippedRecords?.isRead === false) {
      if ((await this.#until({ attempt: () => skippedRecords.read() })) === null) return records
    }
    const kept = mode === 'replay' ? (skippedRecords?.kept(records) ?? records) : records
    const how = { clock: this.#o.clock, mayGiveUp: mode === 'live' }
    const attempt = () => this.#format.prepare(kept, how)
    const begun = attempt()
    if (begun !== null) await this.#until({ attempt, begun })
    return kept
  }

  /** Follows a live chunk, by its records that cannot be decoded. */
  follow(faults: readonly RecordFault[]): void {
    if (faults.length === 0 && this.#unknownMs === null) return
    const nowMs = this.#o.clock.elapsedMs()
    const unknown = faults.find(({ error }) => isUnknownSchema(error))
    if (unknown !== undefined) {
      if (this.#unknownMs === null) this.#tellUnknown(unknown.error.message)
      this.#unknownMs = nowMs
    } else if (this.#unknownMs !== null && nowMs - this.#unknownMs >= OVER_AFTER_MS) {
      this.#tellUnknown(null)
      this.#unknownMs = null
    }
  }

  #until(tried: Pick<Trying<void | null>, 'attempt' | 'begun'>): Promise<void | null> {
    const { retrier, observer, labels } = this.#o
    return retrier.until({
      ...tried,
      waits: WAITS,
      tell: (reason) => observer({ type: 'trouble', kind: 'schema', ...labels, reason }),
    })
  }

  #tellUnknown(reason: string | null): void {
    this.#o.observer({ type: 'trouble', kind: 'unknown', ...this.#o.labels, reason })
  }
}
