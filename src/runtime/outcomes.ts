import type { EngineResult } from '../engine/events.ts'
import type { Chunk } from '../records/port.ts'
import type { Outcomes } from './events.ts'
import type { Intake, RecordFault } from './intake.ts'

export const NO_OUTCOMES: Outcomes = {
  scored: 0,
  windowed: 0,
  skipped: 0,
  late: 0,
  dead: 0,
}

export function addOutcomes(a: Outcomes, b: Outcomes): Outcomes {
  return {
    scored: a.scored + b.scored,
    windowed: a.windowed + b.windowed,
    skipped: a.skipped + b.skipped,
    late: a.late + b.late,
    dead: a.dead + b.dead,
  }
}

/**
 * What became of the records of a chunk; each counts once. Late comes first, so that a late event is late whatever
 * `onLate` made of it; then scored, also where one of several models or sinks has set it aside; then dead; then in a tumbling window; what
 * is left was skipped.
 */
export function countOutcomes(
  { records, packed }: Pick<Chunk, 'records' | 'packed'>,
  done: {
    readonly intake: Intake
    readonly result: EngineResult
    /** Offsets of the records that were scored, or that reached a sink without a model. */
    readonly reached: readonly number[]
    readonly faults: readonly RecordFault[]
  },
): Outcomes {
  // Of a batch that nobody has unpacked one dead letter tells.
  if (packed !== undefined) return { ...NO_OUTCOMES, dead: packed.count }
  const counted = new Set<number>()
  const countNew = (offsets: Iterable<number>): number => {
    const before = counted.size
    for (const offset of offsets) counted.add(offset)
    return counted.size - before
  }
  const offsetsOf = (indices: readonly number[]) =>
    indices.map((i) => done.intake.records[i]?.offset as number)
  const late = countNew(done.result.late.flatMap(({ indices }) => offsetsOf(indices)))
  const scored = countNew(done.reached)
  const dead = countNew(done.faults.filter((f) => f.window === null).map((f) => f.record.offset))
  const windowed = countNew(offsetsOf(done.result.windowed))
  return { scored, windowed, skipped: records.length - counted.size, late, dead }
}
