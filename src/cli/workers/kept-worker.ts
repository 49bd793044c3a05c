import type { Random } from '../../kernel/backoff.ts'
import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Log } from '../../observe/log.ts'
import type { MetricData } from '../../observe/metric-maker.ts'
import type { WorkerReadiness } from '../../serve/workers-health.ts'
import type { RunOutline } from '../banner.ts'
import { endOf, type Life, RestartPolicy, thrownOf } from './restart-policy.ts'
import type { End, Heard, WorkerProcess } from './worker-process.ts'

/**
 * More than the 25 s that a worker itself takes at most, and what a container is given between
 * SIGTERM and SIGKILL, ms.
 */
const STOP_WITHIN_MS = 30_000

const NOTHING = { ready: false, partitions: 0, restoring: 0 } as const
const SILENT = 'its process does not answer'

export interface KeptWorkerOptions {
  /** Its number, from 1 on. */
  readonly worker: number
  readonly start: (heard: Heard) => WorkerProcess
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  /** Told when it is started again. */
  readonly restarted: () => void
}

/** A worker that is started again when its process ends. */
export class KeptWorker {
  readonly #o: KeptWorkerOptions
  readonly #stopped = new AbortController()
  #process: WorkerProcess | null = null
  /** Why its last process has ended; `null`: it is the first. */
  #reason: string | null = null

  constructor(options: KeptWorkerOptions) {
    this.#o = options
  }

  /**
   * Keeps it running until it is told to stop.
   *
   * @param prepared told of each process that it is prepared, before it works
   * @throws what it cannot go on from, see {@link RestartPolicy}; and what keeps it from stopping
   * in order, such as `STOP_TIMED_OUT`, or `WORKER_FAILED`
   */
  async keep(prepared: (outline: RunOutline) => void): Promise<void> {
    const { worker, log, clock, random, restarted } = this.#o
    const { signal: stopped } = this.#stopped
    const policy = new RestartPolicy(worker, random)
    while (!stopped.aborted) {
      if (this.#reason !== null) restarted()
      const life = await this.#live(prepared)
      if (stopped.aborted) return this.#throwIfDisorderly(life.end)
      const nextAttemptMs = policy.waitMs(life)
      this.#reason = `its process has ended ${endOf(life.end)}`
      const about = { worker, reason: this.#reason, nextAttemptMs }
      log.error(about, 'worker has ended, nothing is lost: it is started again')
      await clock.sleep(nextAttemptMs, stopped)
    }
  }

  /** Lets its process finish what is in flight, and end. */
  stop(): void {
    this.#stopped.abort()
  }

  /** Ends its process at once. */
  kill(): void {
    this.#process?.kill()
  }

  async readiness(): Promise<WorkerReadiness> {
    const { worker } = this.#o
    const answer = (await this.#process?.ask('readiness')) ?? null
    if (answer !== null) return { worker, ...answer }
    if (this.#process !== null) return { worker, ...NOTHING, state: 'silent', reason: SILENT }
    if (this.#reason === null) return { worker, ...NOTHING, state: 'starting' }
    return { worker, ...NOTHING, state: 'restarting', reason: this.#reason }
  }

  /** Those of its process; `null` where there is none, or it does not answer. */
  async metrics(): Promise<MetricData | null> {
    return (await this.#process?.ask('metrics')) ?? null
  }

  /** From the start of a process to its end. */
  #live(prepared: (outline: RunOutline) => void): Promise<Life> {
    const { worker, start, log, clock } = this.#o
    const { signal: stopped } = this.#stopped
    const startMs = clock.elapsedMs()
    const over = new AbortController()
    let hasRun = false
    return new Promise((resolve) => {
      const process = start({
        prepared: (outline) => {
          prepared(outline)
          log.info({ worker, pid: process.pid }, 'worker is prepared')
          process.run()
        },
        running: () => {
          hasRun = true
        },
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

  /** It has ended when it was told to: did it do so by itself? */
  #throwIfDisorderly(end: End): void {
    if (end.faults.length > 0) throw thrownOf(end.faults)
    // A signal that comes before it listens ends it as well.
    if (end.exitCode === 0 || end.signal === 'SIGTERM' || end.signal === 'SIGINT') return
    const message = `worker ${this.#o.worker} did not stop in order: it has ended ${endOf(end)}`
    const hint = `what was in flight is read again; a worker that takes ${STOP_WITHIN_MS / 1_000} s to stop is killed`
    throw new TidemarkError('WORKER_FAILED', message, { hint })
  }
}
