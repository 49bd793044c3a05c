import { messageOf, Refused, TidemarkError } from '../../kernel/errors.ts'
import { Backoff, type Random } from '../../kernel/random.ts'
import type { End } from './worker-process.ts'

/** How many starts in a row may fail. */
const MOST_FAILED_STARTS = 5
/** How long a process must live for its start to count as successful, ms. */
const STEADY_MS = 60_000
const RESTART = { firstMs: 1_000, lastMs: 30_000 }

/** The life of one process of a worker. */
export interface Life {
  readonly end: End
  /** Whether it ever was a member of the group, and read. */
  readonly hasRun: boolean
  /** From start to end, ms. */
  readonly lastedMs: number
}

/** Decides whether a worker is restarted, and when. */
export class RestartPolicy {
  readonly #worker: number
  readonly #backoff: Backoff
  #failedStarts = 0

  constructor(worker: number, random: Random) {
    this.#worker = worker
    this.#backoff = new Backoff(RESTART, random)
  }

  /**
   * Call it when a process has ended without being told to.
   *
   * @returns how long to wait before the restart, ms
   * @throws the fault that it ended with, if every start would end with it · `WORKER_FAILED`: 5
   * starts in a row have failed
   */
  waitMs({ end, hasRun, lastedMs }: Life): number {
    if (end.faults.some(endsEveryStart)) throw thrownOf(end.faults)
    const isSteady = lastedMs >= STEADY_MS
    this.#failedStarts = hasRun || isSteady ? 0 : this.#failedStarts + 1
    if (this.#failedStarts === MOST_FAILED_STARTS) throw this.#startsFailed(end)
    if (isSteady) this.#backoff.reset()
    return this.#backoff.nextMs()
  }

  #startsFailed(end: End): TidemarkError {
    const message = `worker ${this.#worker} failed to start ${MOST_FAILED_STARTS} times in a row; the last time it ended ${endOf(end)}`
    const [cause] = end.faults
    const told = cause instanceof TidemarkError ? cause.hint : undefined
    const hint = told ?? 'see the log above, or run with --workers 1 for the cause'
    return new TidemarkError('WORKER_FAILED', message, { hint, cause })
  }
}

/** What is refused would be refused again; and a restart would take the name from its new owner. */
function endsEveryStart(fault: Error): boolean {
  if (!(fault instanceof TidemarkError)) return false
  return fault.action === 'refuse' || fault.code === 'WORKER_NAME_TAKEN'
}

/** The faults of a process as one error. @param faults at least one */
export function thrownOf(faults: readonly Error[]): Error {
  const known = faults.filter((fault) => fault instanceof TidemarkError)
  return known.length > 1 ? new Refused(known) : (faults[0] as Error)
}

/** How a process ended: `by SIGKILL`, `with exit code 1`, `with LOG_TRUNCATED: …` */
export function endOf({ exitCode, signal, faults: [fault] }: End): string {
  if (fault instanceof TidemarkError) return `with ${fault.code}: ${fault.message}`
  if (fault !== undefined) return `with ${messageOf(fault)}`
  return signal === null ? `with exit code ${exitCode}` : `by ${signal}`
}
