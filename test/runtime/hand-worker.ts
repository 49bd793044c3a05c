import type { NewRecord } from '../../src/connect/port.ts'
import type { Scorer } from '../../src/scoring/scorer.ts'
import { HandClock, longestWaits } from '../support/clocks.ts'
import { startWorker, type TestWorkerOptions as WorkerOptions } from '../support/in-process.ts'
import { type HandMember, HandRecords } from './hand-records.ts'
import { prepared, START_MS, scorer, valuesOf, Watch } from './support.ts'

// A worker on records whose every move the test makes.

export async function joined(by: Scorer = scorer(), more: Partial<WorkerOptions> = {}) {
  const records = new HandRecords()
  const watch = new Watch()
  const clock = new HandClock(START_MS)
  const options = { prepared: prepared(by), records, group: 'g', clock }
  const worker = startWorker({
    ...options,
    random: longestWaits,
    ...more,
    observer: watch.observer,
  })
  return { worker, watch, clock, member: await records.member() }
}

export const amounts = (outputs: readonly NewRecord[]) => valuesOf(outputs, 'amount')

/** The next commit, answered with success. */
export async function committed(member: HandMember) {
  const { commit, succeed } = await member.nextCommit()
  succeed()
  return commit
}
