import type { MetricData } from '../../observe/metric-maker.ts'
import type { Readiness } from '../../serve/health.ts'
import type { RunOutline } from '../banner.ts'
import type { RunConfig } from '../run-config.ts'
import type { FaultData } from './fault-data.ts'

// What a parent and the process of a worker tell each other: prepare → prepared → run → running →
// stop.

/** What a worker's process is to do, told once when it starts. */
export interface Assignment {
  /** Its number, from 1 on. */
  readonly worker: number
  /** How many there are, which share the memory. */
  readonly of: number
  readonly files: readonly string[]
  /** As it holds for this worker. */
  readonly config: RunConfig
}

/** What can be asked of a worker's process at any time. */
export interface Answers {
  readonly readiness: Readiness
  readonly metrics: MetricData
}
export type Question = keyof Answers

/** From the parent. */
export type Order =
  | { readonly type: 'prepare'; readonly assignment: Assignment }
  | { readonly type: 'run' }
  | { readonly type: 'stop' }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }

/** From the process of a worker. */
export type Report =
  | { readonly type: 'prepared'; readonly outline: RunOutline }
  | { readonly type: 'running' }
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answers[Question] }
  /** It ends for these reasons. */
  | { readonly type: 'failed'; readonly faults: readonly FaultData[] }
