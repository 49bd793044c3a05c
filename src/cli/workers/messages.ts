import type { MetricData } from '../../observe/metric-registry.ts'
import type { Readiness } from '../../serve/health.ts'
import type { RunOutline } from '../banner.ts'
import type { RunConfig } from '../run-config.ts'
import type { StageDurations } from '../stage-report.ts'
import type { FaultData } from './fault-data.ts'

// Messages between the parent and a worker's process: prepare → prepared → run → running → stop →
// finished.

/** What a worker's process is to do; sent once, when it starts. */
export interface Assignment {
  /** Number of the worker, from 1. */
  readonly worker: number
  /** How many workers there are; they share the memory. */
  readonly of: number
  /** The topology files. */
  readonly files: readonly string[]
  /** The settings for this worker. */
  readonly config: RunConfig
}

/** The questions to a worker's process, with the types of their answers. */
export interface Answers {
  readonly readiness: Readiness
  readonly metrics: MetricData
}
/** A question to a worker's process, possible at any time. */
export type Question = keyof Answers

/** A message from the parent to a worker's process. */
export type Order =
  | { readonly type: 'prepare'; readonly assignment: Assignment }
  | { readonly type: 'run' }
  | { readonly type: 'stop' }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }

/** A message from a worker's process to the parent. */
export type Report =
  | { readonly type: 'prepared'; readonly outline: RunOutline }
  | { readonly type: 'running' }
  /** It has stopped cleanly, and will end. */
  | { readonly type: 'finished'; readonly stages: StageDurations }
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answers[Question] }
  /** The process ends because of these faults. */
  | { readonly type: 'failed'; readonly faults: readonly FaultData[] }
