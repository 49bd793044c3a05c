import {
  type Code,
  type ErrorDetails,
  isSystemError,
  messageOf,
  Refused,
  TidemarkError,
} from '../../kernel/errors.ts'
import type { MetricData } from '../../observe/metric-registry.ts'
import { STARTING, type WorkerStatus } from '../../observe/status.ts'
import type { Readiness } from '../../serve/health.ts'
import type { RunOutline } from '../run-process.ts'
import type { RunConfig } from '../settings.ts'

// Messages of a parent and a worker: prepare → prepared → run → running → stop → finished.

export interface WorkerAssignment {
  readonly worker: number
  /** How many workers there are; they share the memory. */
  readonly of: number
  readonly files: readonly string[]
  readonly config: RunConfig
  /** Where other workers of the group reach the parent; `null`: no requests are answered. */
  readonly advertise: string | null
}

export interface WorkerAnswer {
  readonly readiness: Readiness
  readonly metrics: MetricData
  readonly status: WorkerStatus
}

export type Order =
  | { readonly type: 'prepare'; readonly assignment: WorkerAssignment }
  | { readonly type: 'run' }
  | { readonly type: 'stop' }
  | { readonly type: 'ask' }

export type Report =
  | { readonly type: 'prepared'; readonly outline: RunOutline }
  /** It answers requests from its parent. */
  | { readonly type: 'serving'; readonly port: number }
  | { readonly type: 'running' }
  /** It has stopped cleanly, and will end by whatever signal or exit code. */
  | { readonly type: 'finished' }
  | { readonly type: 'answer'; readonly answer: WorkerAnswer }
  | { readonly type: 'failed'; readonly faults: readonly FaultData[] }

/** An error for another process: an Error object would arrive without its code. */
export interface FaultData extends Omit<ErrorDetails, 'cause'> {
  /** `null`: an error of the system, or a bug. */
  readonly code: Code | null
  readonly system: Pick<NodeJS.ErrnoException, 'code' | 'path' | 'syscall'> | null
  readonly message: string
  /** The stack of a bug, or of the cause. */
  readonly stack: string | undefined
}

export function faultData(thrown: unknown): FaultData {
  const fault = thrown instanceof TidemarkError ? thrown : null
  const { code = null, where, hint } = fault ?? {}
  const traced = fault === null ? thrown : fault.cause
  const stack = traced instanceof Error ? traced.stack : undefined
  const system = isSystemError(thrown)
    ? { code: thrown.code, path: thrown.path, syscall: thrown.syscall }
    : null
  return { code, system, message: messageOf(thrown), where, hint, stack }
}

export function faultOf({ code, system, message, stack, ...details }: FaultData): Error {
  const bug = Object.assign(new Error(message), { stack }, system)
  if (code === null) return bug
  return new TidemarkError(code, message, { ...details, cause: stack && bug })
}

/** The error with all faults of another process. */
export function thrownOf(faults: readonly Error[]): Error {
  const errors = faults.filter((fault) => fault instanceof TidemarkError)
  return errors.length > 1 ? new Refused(errors) : (faults[0] as Error)
}

const NOT_YET: WorkerAnswer = {
  readiness: { ready: false, state: 'starting', partitions: 0, restoring: 0 },
  metrics: [],
  status: STARTING,
}

export class ParentLink {
  readonly assignment = received('prepare').then(({ assignment }) => assignment)
  readonly released = received('run')
  readonly #stopping = new AbortController()
  /** Aborts when it is to stop: the parent says so, the parent is gone, or a signal arrives. */
  readonly stop = this.#stopping.signal
  answering: () => Promise<WorkerAnswer> = async () => NOT_YET

  constructor() {
    const stop = () => this.#stopping.abort()
    void received('stop').then(stop)
    // A parent that was killed sends no message. A terminal or a service manager sends the signal
    // to all processes. A second one makes the parent exit at once, and with it this process.
    for (const event of ['disconnect', 'SIGINT', 'SIGTERM']) process.on(event, stop)
    const answer = async () => this.tell({ type: 'answer', answer: await this.answering() })
    process.on('message', ({ type }: Order) => {
      if (type === 'ask') void answer()
    })
  }

  tell(report: Report): Promise<void> {
    return new Promise((resolve) => {
      if (process.send === undefined || !process.connected) return resolve()
      process.send(report, undefined, undefined, () => resolve())
    })
  }

  close(): void {
    if (process.connected) process.disconnect()
  }
}

/** Resolves to the first order of a type. */
function received<T extends Order['type']>(wanted: T): Promise<Extract<Order, { type: T }>> {
  return new Promise((resolve) => {
    process.on('message', (order: Order) => {
      if (order.type === wanted) resolve(order as Extract<Order, { type: T }>)
    })
  })
}
