import { Backoff, type Random } from '../../kernel/backoff.ts'
import { messageOf, Refused, TidemarkError } from '../../kernel/errors.ts'
import type { End } from './worker-process.ts'

/** So many starts one after the other that come to nothing are enough. */
const MOST_VAIN_STARTS = 5
/** A process that lived for so long had no trouble with its start, ms. */
const STEADY_MS = 60_000
const RESTART = { firstMs: 1_000, lastMs: 30_000 }

/** How one process of a worker went. */
export interface Life {
  readonly end: End
  /** Was it ever a member of the group that reads? */
  readonly hasRun: boolean
  readonly lastedMs: number
}

/** Whether a worker is started again, and when. */
export class RestartPolicy {
  readonly #worker: number
  readonly #backoff: Backoff
  #vainStarts = 0

  constructor(worker: number, random: Random) {
    this.#worker = worker
    this.#backoff = new Backoff(RESTART, random)
  }

  /**
   * Its process has ended, though it was not told to.
   *
   * @returns how long to wait before it is started again, ms
   * @throws what it ended with, where every start would end so · `WORKER_FAILED` when it ended at
   * its start again and again
   */
  waitMs({ end, hasRun, lastedMs }: Life): number {
    if (end.faults.some(endsEveryStart)) throw thrownOf(end.faults)
    const isSteady = lastedMs >= STEADY_MS
    this.#vainStarts = hasRun || isSteady ? 0 : this.#vainStarts + 1
    if (this.#vainStarts === MOST_VAIN_STARTS) throw this.#inVain(end)
    if (isSteady) this.#backoff.reset()
    return this.#backoff.nextMs()
  }

  #inVain(end: End): TidemarkError {
    const message = `worker ${this.#worker} has ended ${MOST_VAIN_STARTS} times at its start, the last time ${endOf(end)}`
    const [cause] = end.faults
    const told = cause instanceof TidemarkError ? cause.hint : undefined
    const hint = told ?? 'the lines above may say why; so may a run with --workers 1'
    return new TidemarkError('WORKER_FAILED', message, { hint, cause })
  }
}

/** What is refused is refused again; and who has the name by now would lose it. */
function endsEveryStart(fault: Error): boolean {
  if (!(fault instanceof TidemarkError)) return false
  return fault.action === 'refuse' || fault.code === 'WORKER_NAME_TAKEN'
}

/** What was thrown in the process. @param faults at least one */
export function thrownOf(faults: readonly Error[]): Error {
  const known = faults.filter((fault) => fault instanceof TidemarkError)
  return known.length > 1 ? new Refused(known) : (faults[0] as Error)
}

/** `by SIGKILL`, `with exit code 1`, `with LOG_TRUNCATED: …` */
export function endOf({ exitCode, signal, faults: [fault] }: End): string {
  if (fault instanceof TidemarkError) return `with ${fault.code}: ${fault.message}`
  if (fault !== undefined) return `with ${messageOf(fault)}`
  return signal === null ? `with exit code ${exitCode}` : `by ${signal}`
}
