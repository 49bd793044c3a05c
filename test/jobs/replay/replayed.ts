import type { MemoryRecords } from '../../../src/connect/memory/memory-records.ts'
import type { LogRecord } from '../../../src/connect/port.ts'
import { workAgain } from '../../../src/jobs/replay/replay.ts'
import { TablePositions } from '../../../src/jobs/replay/table-positions.ts'
import { Verification } from '../../../src/jobs/replay/verification.ts'
import { type ReplayRange, WrittenOutputs } from '../../../src/jobs/replay/written-outputs.ts'
import { SILENT } from '../../../src/jobs/report.ts'
import { DEFAULT_CONFIG } from '../../../src/runtime/config.ts'
import type { Definition } from '../../../src/topology/definition.ts'
import { sinkStepsOf } from '../../../src/topology/graph.ts'
import { prepared, START_MS, scored, scorer, Watch } from '../../runtime/support.ts'
import { startWorker } from '../../support/in-process.ts'

// A run of a small topology in memory, and replays of it.

const GROUP = 'g'

/** Works all events. */
export async function workedOnce(
  records: MemoryRecords,
  definition: Definition = scored,
): Promise<void> {
  const watch = new Watch()
  const of = prepared(scorer(), definition)
  const worker = startWorker({ prepared: of, records, group: GROUP, observer: watch.observer })
  await records.settled(GROUP, 'events')
  await worker.stop()
}

interface Replayed {
  readonly definition?: Definition
  readonly score?: Parameters<typeof scorer>[0]
  readonly range?: Partial<ReplayRange>
  /** What becomes of what is written. @default it stays */
  readonly change?: (records: readonly LogRecord[], topic: string) => readonly LogRecord[]
}

/** Verifies what was written; nothing in the topics changes. */
export async function verified(records: MemoryRecords, given: Replayed = {}) {
  const { definition = scored, score, change = (all) => all } = given
  const to = records.endOffsets('events')[0] ?? 0
  const range = { partition: 0, from: 0, to, lowOffset: 0, ...given.range }
  const outputs = new WrittenOutputs(definition, sinkStepsOf(definition.then), [range])
  const positions = new TablePositions([])
  const verification = new Verification(outputs, positions)
  for (const topic of outputs.topics) {
    for (const record of change(records.read(topic), topic)) {
      const cause = outputs.causeOf(topic, record.headers)
      if (cause === null) outputs.addForeign(record, { topic, partition: 0 })
      const written = cause && outputs.add(cause, record, 0)
      if (written) verification.wrote(cause, written)
    }
  }
  const work = { prepared: prepared(scorer(score), definition), group: GROUP, outputs, positions }
  await workAgain(records, {
    ...work,
    config: DEFAULT_CONFIG,
    comparison: verification,
    report: SILENT,
  })
  verification.end()
  return verification
}

/** An event so many seconds after the start. */
export function event(second: number, amount = second) {
  const value = JSON.stringify({ key: 'k', at: START_MS + second * 1_000, amount })
  const parts = { key: Buffer.from('k'), value: Buffer.from(value), headers: [] }
  return { topic: 'events', partition: 0, timestampMs: START_MS + second, ...parts }
}
