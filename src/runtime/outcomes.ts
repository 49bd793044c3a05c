import type { EngineResult } from '../engine/events.ts'
import type { Outcomes } from './events.ts'
import type { Intake, RecordFault } from './intake.ts'
import type { Produced } from './outputs.ts'

export const NO_OUTCOMES: Outcomes = { scored: 0, skipped: 0, late: 0, dead: 0 }

export function addOutcomes(a: Outcomes, b: Outcomes): Outcomes {
  return {
    scored: a.scored + b.scored,
    skipped: a.skipped + b.skipped,
    late: a.late + b.late,
    dead: a.dead + b.dead,
  }
}

/**
 * What became of the records of a chunk; each counts once. Late comes first, so that a late event is late whatever
 * `onLate` made of it; then dead; then scored; what is left was skipped.
 */
export function countOutcomes(
  records: number,
  done: {
    readonly intake: Intake
    readonly result: EngineResult
    readonly produced: readonly Produced[]
    readonly faults: readonly RecordFault[]
  },
): Outcomes {
  const late = new Set(
    done.result.late.flatMap(({ indices }) =>
      indices.map((i) => done.intake.records[i]?.offset as number),
    ),
  )
  const counted = new Set(late)
  const countNew = (offsets: Iterable<number>): number => {
    const before = counted.size
    for (const offset of offsets) counted.add(offset)
    return counted.size - before
  }
  const dead = countNew(done.faults.map((f) => f.record.offset))
  const scored = countNew(done.produced.flatMap((p) => p.reached))
  return { scored, skipped: records - counted.size, late: late.size, dead }
}
