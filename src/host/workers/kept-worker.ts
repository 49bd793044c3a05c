import type { Clock } from '../../kernel/clock.ts'
import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import { Backoff, type Random } from '../../kernel/random.ts'
import type { Log } from '../../observe/log.ts'
import type { MetricData } from '../../observe/metric-registry.ts'
import { type NumberedStatus, STARTING, statusWithout } from '../../observe/status.ts'
import type { WorkerReadiness } from '../../serve/health.ts'
import type { RunOutline } from '../run-process.ts'
import { thrownOf, type WorkerAnswer } from './messages.ts'
import type { End, WorkerProcess } from './worker-process.ts'

/** A worker stops in 25 s at most; a container has 30 s between SIGTERM and SIGKILL. */
const STOP_WITHIN_MS = 30_000
const ASKED_EVERY_MS = 3_000
/** How long whoever asks about a worker waits for it, ms; then what it said last counts. */
const ANSWERED_SOON_MS = 80
/** How long the last metrics of a worker that does not answer stay, ms. */
const METRICS_STAY_MS = 60_000

const NOTHING = { ready: false, partitions: 0, restoring: 0 } as const
const SILENT = 'its process does not respond'

interface KeptWorkerOptions {
  readonly worker: number
  readonly start: (prepared: (outline: RunOutline) => void) => WorkerProcess
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
}

type Prepared = (outline: RunOutline, run: () => void) => void

export class KeptWorker {
  readonly #o: KeptWorkerOptions
  readonly #stopped = new AbortController()
  #process: WorkerProcess | null = null
  #reason: string | null = null
  /** When its process began, ended, or last answered, ms since the epoch. */
  #aliveMs = 0
  #asking: Promise<void> | null = null
  /** The last answer of its process; `null`: it has given none. */
  #answer: WorkerAnswer | null = null
  #metrics: MetricData = []
  #isSilent = false
  restarts = 0

  constructor(options: KeptWorkerOptions) {
    this.#o = options
  }

  /**
   * Keeps it running until it is told to stop.
   * @param prepared called for each process once it is prepared; it works when `run` is called
   * @throws as {@link restartPolicy}, or the error that prevented a clean stop
   */
  async keep(prepared: Prepared): Promise<void> {
    const { worker, log, clock, random } = this.#o
    const { signal: stopped } = this.#stopped
    const waitMs = restartPolicy(worker, random)
    while (!stopped.aborted) {
      if (this.#reason !== null) this.restarts++
      const startMs = clock.elapsedMs()
      const end = await this.#live(prepared)
      if (stopped.aborted) return this.#throwIfUnclean(end)
      const nextAttemptMs = waitMs(end, clock.elapsedMs() - startMs)
      this.#reason = `its process ended ${endOf(end)}`
      const about = { worker, reason: this.#reason, nextAttemptMs }
      log.error(about, 'worker has ended and will be restarted; nothing is lost')
      await clock.sleep(nextAttemptMs, stopped)
    }
  }

  stop(): void {
    this.#stopped.abort()
  }

  kill(): void {
    this.#process?.kill()
  }

  /** Where it answers requests; `null`: it does not now. */
  get port(): number | null {
    return this.#process?.port() ?? null
  }

  /** Why it does not answer; `null`: it does, or has not begun to. */
  get trouble(): 'silent' | 'restarting' | null {
    if (this.#process !== null) return this.#isSilent ? 'silent' : null
    return this.#reason === null ? null : 'restarting'
  }

  async readiness(): Promise<WorkerReadiness> {
    const { worker } = this.#o
    const answer = await this.#answerSoon()
    if (answer) return { worker, ...answer.readiness }
    const reason = this.#isSilent ? SILENT : this.#reason
    const state = this.trouble ?? 'starting'
    return { worker, ...NOTHING, state, ...(reason !== null && { reason }) }
  }

  /** Its own, as it last told them. */
  async metrics(): Promise<MetricData> {
    await this.#answerSoon()
    return this.#o.clock.nowMs() - this.#aliveMs < METRICS_STAY_MS ? this.#metrics : []
  }

  async status(): Promise<NumberedStatus> {
    const { worker } = this.#o
    const answer = await this.#answerSoon()
    if (answer) return { worker, ...answer.status }
    const { trouble } = this
    return { worker, ...(trouble === null ? STARTING : statusWithout(trouble, this.#aliveMs)) }
  }

  async #answerSoon(): Promise<WorkerAnswer | null> {
    let stopWaiting = () => {}
    const soon = new Promise<void>((resolve) => {
      stopWaiting = this.#o.clock.after(ANSWERED_SOON_MS, resolve)
    })
    await Promise.race([this.#ask(), soon])
    stopWaiting()
    return this.#isSilent ? null : this.#answer
  }

  /** Asks its process, unless that is asked already. */
  #ask(): Promise<void> {
    this.#asking ??= this.#process && this.#hear(this.#process)
    return this.#asking ?? Promise.resolve()
  }

  async #hear(process: WorkerProcess): Promise<void> {
    const answer = await process.ask()
    if (process !== this.#process) return
    this.#asking = null
    this.#isSilent = answer === null
    if (answer === null) return
    this.#aliveMs = this.#o.clock.nowMs()
    this.#answer = answer
    this.#metrics = answer.metrics
  }

  /** A process that hangs is noticed although nobody asks about it. */
  async #watch(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await this.#ask()
      await this.#o.clock.sleep(ASKED_EVERY_MS, over)
    }
  }

  async #live(prepared: Prepared): Promise<End> {
    const { worker, start, log } = this.#o
    const process = start((outline) => {
      log.info({ worker, pid: process.pid }, 'worker is prepared')
      prepared(outline, () => process.run())
    })
    this.#process = process
    this.#aliveMs = this.#o.clock.nowMs()
    const over = new AbortController()
    const stop = () => void this.#stopInTime(process, over.signal)
    this.#stopped.signal.addEventListener('abort', stop, { once: true, signal: over.signal })
    void this.#watch(over.signal)
    const end = await process.ended
    this.#process = this.#asking = this.#answer = null
    this.#isSilent = false
    this.#aliveMs = this.#o.clock.nowMs()
    over.abort()
    return end
  }

  async #stopInTime(process: WorkerProcess, over: AbortSignal): Promise<void> {
    process.stop()
    await this.#o.clock.sleep(STOP_WITHIN_MS, over)
    if (!over.aborted) process.kill()
  }

  #throwIfUnclean(end: End): void {
    if (end.faults.length > 0) throw thrownOf(end.faults)
    // A signal that arrives before its handlers are set ends it too.
    if (end.hasFinished || end.signal === 'SIGTERM' || end.signal === 'SIGINT') return
    const message = `worker ${this.#o.worker} did not stop cleanly: it ended ${endOf(end)}`
    const hint = `what was in flight is replayed; a worker that does not stop within ${STOP_WITHIN_MS / 1_000} s is killed`
    throw new TidemarkError('WORKER_FAILED', message, { hint })
  }
}

const MOST_FAILED_STARTS = 5
const STEADY_MS = 60_000
const RESTART = { firstMs: 1_000, lastMs: 30_000 }

/**
 * Returns a function that says how long to wait until the restart of a process that ended without
 * being told to, ms. It throws the fault that would end every start, or `WORKER_FAILED`: 5 starts in
 * a row have failed.
 */
export function restartPolicy(
  worker: number,
  random: Random,
): (end: End, lastedMs: number) => number {
  const backoff = new Backoff(RESTART, random)
  let failedStarts = 0
  return (end, lastedMs) => {
    if (end.faults.some(endsEveryStart)) throw thrownOf(end.faults)
    const isSteady = lastedMs >= STEADY_MS
    failedStarts = end.hasRun || isSteady ? 0 : failedStarts + 1
    if (failedStarts === MOST_FAILED_STARTS) throw startsFailed(worker, end)
    if (isSteady) backoff.reset()
    return backoff.nextMs()
  }
}

function startsFailed(worker: number, end: End): TidemarkError {
  const message = `worker ${worker} failed to start ${MOST_FAILED_STARTS} times in a row; the last time it ended ${endOf(end)}`
  const [cause] = end.faults
  const causeHint = cause instanceof TidemarkError ? cause.hint : undefined
  const hint = causeHint ?? 'see the log above, or run with --workers 1 for the cause'
  return new TidemarkError('WORKER_FAILED', message, { hint, cause })
}

/** A refusal would come again; and a restart would take the name from its new owner. */
function endsEveryStart(fault: Error): boolean {
  if (!(fault instanceof TidemarkError)) return false
  return fault.action === 'refuse' || fault.code === 'WORKER_NAME_TAKEN'
}

/** How a process ended: `by SIGKILL`, `with exit code 1`, `with LOG_TRUNCATED: …` */
function endOf({ exitCode, signal, faults: [fault] }: End): string {
  if (fault instanceof TidemarkError) return `with ${fault.code}: ${fault.message}`
  if (fault !== undefined) return `with ${messageOf(fault)}`
  return signal === null ? `with exit code ${exitCode}` : `by ${signal}`
}
