import { firstFrom } from '../../connect/log-records.ts'
import type { Chunk, LogRecords } from '../../connect/port.ts'
import type { EngineResult, EventBatch } from '../../engine/events.ts'
import type { StageClock } from '../../kernel/stages.ts'
import type { Outcomes } from '../events.ts'
import type { RecordFault } from './dead-letter.ts'

/** The events of a chunk, the record that each came from, and the records that are not events. */
export interface DecodedRecords {
  readonly batch: EventBatch
  readonly records: LogRecords
  readonly faults: readonly RecordFault[]
}

/** A chunk that is to be finished, in part or as a whole. */
export interface Finishable {
  readonly decoded: DecodedRecords
  readonly chunk: Pick<Chunk, 'records' | 'packed' | 'nextOffset'>
  /** Whether its windows may lack events that are no longer in the log. */
  readonly isWarming: boolean
  readonly stages: StageClock
  /** Indices of the events that were scored or written so far. */
  readonly reached: number[]
}

export const NO_OUTCOMES: Outcomes = {
  scored: 0,
  windowed: 0,
  skipped: 0,
  duplicate: 0,
  late: 0,
  dead: 0,
}

export function addOutcomes(a: Outcomes, b: Outcomes): Outcomes {
  const names = Object.keys(NO_OUTCOMES) as (keyof Outcomes)[]
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as Outcomes
}

/**
 * Counts the records of a chunk by outcome, each record once. A late event counts as late, whatever
 * `onLate` did with it; otherwise it is scored if at least one model or sink received it, even if
 * another one has set it aside; otherwise dead; otherwise windowed, if it entered a tumbling
 * window; otherwise a duplicate, if a `dedupe` left it out; what is left was skipped.
 */
export function countOutcomes(
  { chunk, decoded, reached }: Pick<Finishable, 'chunk' | 'decoded' | 'reached'>,
  result: EngineResult,
  faults: readonly RecordFault[],
): Outcomes {
  const { records, packed } = chunk
  // A batch that was not unpacked is one dead letter.
  if (packed !== undefined) return { ...NO_OUTCOMES, dead: packed.count }
  const isCounted = new Uint8Array(decoded.records.length)
  const countNew = (indices: readonly number[]): number => {
    let count = 0
    for (const index of indices) {
      if (isCounted[index] === 0) count++
      isCounted[index] = 1
    }
    return count
  }
  const late = countNew(result.late.flatMap(({ indices }) => indices))
  const scored = countNew(reached)
  const events = faults.flatMap((fault) => eventIn(decoded, fault) ?? [])
  const dead = decoded.faults.length + countNew(events)
  const windowed = countNew(result.windowed)
  const duplicate = countNew(result.duplicates)
  const skipped = records.length - late - scored - dead - windowed - duplicate
  return { scored, windowed, skipped, duplicate, late, dead }
}

/**
 * The index of the event that was set aside; `null`: it was a record that is not an event, or the
 * result of a window.
 */
function eventIn({ records }: DecodedRecords, { record, window }: RecordFault): number | null {
  const index = window === null ? firstFrom(records, record.offset) : records.length
  return index < records.length && records.offsetAt(index) === record.offset ? index : null
}
