import type { Random } from '../../kernel/backoff.ts'
import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Log } from '../../observe/log.ts'
import type { MetricData } from '../../observe/metric-registry.ts'
import type { WorkerReadiness } from '../../serve/health.ts'
import type { RunOutline } from '../banner.ts'
import type { StageDurations } from '../stage-report.ts'
import { endOf, type Life, RestartPolicy, thrownOf } from './restart-policy.ts'
import type { End, ProcessHandlers, WorkerProcess } from './worker-process.ts'

/**
 * How long a worker may take to stop before it is killed, ms: more than the 25 s that it takes at
 * most, and as long as a container has between SIGTERM and SIGKILL.
 */
const STOP_WITHIN_MS = 30_000

const NOTHING = { ready: false, partitions: 0, restoring: 0 } as const
const SILENT = 'its process does not respond'

/** What a {@link KeptWorker} is made with. */
export interface KeptWorkerOptions {
  /** Its number, from 1. */
  readonly worker: number
  /** Starts a process for it. */
  readonly start: (heard: ProcessHandlers) => WorkerProcess
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  /** Called when it is restarted. */
  readonly restarted: () => void
  /** Called when it has stopped cleanly, with how long each stage took. */
  readonly finished: (stages: StageDurations) => void
}

type Prepared = (outline: RunOutline, run: () => void) => void

/** A worker that is restarted when its process ends. */
export class KeptWorker {
  readonly #o: KeptWorkerOptions
  readonly #stopped = new AbortController()
  #process: WorkerProcess | null = null
  /** Why its previous process has ended; `null`: there was none. */
  #reason: string | null = null

  constructor(options: KeptWorkerOptions) {
    this.#o = options
  }

  /**
   * Keeps it running until it is told to stop.
   *
   * @param prepared called for each process once it is prepared; it works when `run` is called
   * @throws what makes a restart pointless, see {@link RestartPolicy}; or what kept it from a clean
   * stop, such as `STOP_TIMED_OUT` or `WORKER_FAILED`
   */
  async keep(prepared: Prepared): Promise<void> {
    const { worker, log, clock, random, restarted } = this.#o
    const { signal: stopped } = this.#stopped
    const policy = new RestartPolicy(worker, random)
    while (!stopped.aborted) {
      if (this.#reason !== null) restarted()
      const life = await this.#live(prepared)
      if (stopped.aborted) return this.#throwIfUnclean(life.end)
      const nextAttemptMs = policy.waitMs(life)
      this.#reason = `its process ended ${endOf(life.end)}`
      const about = { worker, reason: this.#reason, nextAttemptMs }
      log.error(about, 'worker has ended and will be restarted; nothing is lost')
      await clock.sleep(nextAttemptMs, stopped)
    }
  }

  /** Tells its process to finish what is in flight, and to end. */
  stop(): void {
    this.#stopped.abort()
  }

  /** Kills its process. */
  kill(): void {
    this.#process?.kill()
  }

  /** Its readiness, as reported by its process if that responds. */
  async readiness(): Promise<WorkerReadiness> {
    const { worker } = this.#o
    const answer = (await this.#process?.ask('readiness')) ?? null
    if (answer !== null) return { worker, ...answer }
    if (this.#process !== null) return { worker, ...NOTHING, state: 'silent', reason: SILENT }
    if (this.#reason === null) return { worker, ...NOTHING, state: 'starting' }
    return { worker, ...NOTHING, state: 'restarting', reason: this.#reason }
  }

  /** The metrics of its process; `null` if there is none or it does not respond. */
  async metrics(): Promise<MetricData | null> {
    return (await this.#process?.ask('metrics')) ?? null
  }

  /** Runs one process from start to end. */
  #live(prepared: Prepared): Promise<Life> {
    const { worker, start, log, clock } = this.#o
    const { signal: stopped } = this.#stopped
    const startMs = clock.elapsedMs()
    const over = new AbortController()
    let hasRun = false
    return new Promise((resolve) => {
      const process = start({
        prepared: (outline) => {
          log.info({ worker, pid: process.pid }, 'worker is prepared')
          prepared(outline, () => process.run())
        },
        running: () => {
          hasRun = true
        },
        finished: this.#o.finished,
        ended: (end) => {
          this.#process = null
          over.abort()
          stopped.removeEventListener('abort', stop)
          resolve({ end, hasRun, lastedMs: clock.elapsedMs() - startMs })
        },
      })
      const stop = () => void this.#stopInTime(process, over.signal)
      this.#process = process
      stopped.addEventListener('abort', stop, { once: true })
    })
  }

  async #stopInTime(process: WorkerProcess, over: AbortSignal): Promise<void> {
    process.stop()
    await this.#o.clock.sleep(STOP_WITHIN_MS, over)
    if (!over.aborted) process.kill()
  }

  /** Throws unless the process, told to stop, ended cleanly. */
  #throwIfUnclean(end: End): void {
    if (end.faults.length > 0) throw thrownOf(end.faults)
    // A signal that arrives before its handlers are set ends it too.
    if (end.exitCode === 0 || end.signal === 'SIGTERM' || end.signal === 'SIGINT') return
    const message = `worker ${this.#o.worker} did not stop cleanly: it ended ${endOf(end)}`
    const hint = `what was in flight is replayed; a worker that does not stop within ${STOP_WITHIN_MS / 1_000} s is killed`
    throw new TidemarkError('WORKER_FAILED', message, { hint })
  }
}
