import type { Clock } from '../../kernel/clock.ts'
import type { MetricsOfWorker } from '../../observe/metric-registry.ts'
import type { Probes } from '../../serve/health.ts'
import { livenessOfAll, readinessOfAll } from '../../serve/health.ts'
import type { RunOutline } from '../banner.ts'
import type { KeptWorker } from './kept-worker.ts'

/** How long those that are prepared wait for the others, ms. */
const TOGETHER_MS = 15_000

/** Several workers that start and stop together. */
export class Supervisor {
  /** Liveness and readiness of all workers together. */
  readonly probes: Probes
  readonly #workers: readonly KeptWorker[]
  readonly #clock: Clock

  constructor(workers: readonly KeptWorker[], clock: Clock) {
    this.#workers = workers
    this.#clock = clock
    const readiness = () => Promise.all(workers.map((worker) => worker.readiness()))
    this.probes = {
      liveness: async () => livenessOfAll(await readiness()),
      readiness: async () => readinessOfAll(await readiness()),
    }
  }

  /**
   * Runs until told to stop. The first worker prepares alone, so that faults of files, tables and
   * models are reported only once; the others start when it is prepared. They join the group
   * together: one that came first would restore windows that it then gives away.
   *
   * @param announce called once, before any worker works
   * @throws the first failure, once all workers have ended
   */
  async run(announce: (outline: RunOutline) => void): Promise<void> {
    const [first, ...others] = this.#workers
    const kept: Promise<void>[] = []
    const failures: unknown[] = []
    const keep = (worker: KeptWorker) => {
      const failed = (thrown: unknown) => {
        failures.push(thrown)
        this.stop()
        release()
      }
      kept.push(worker.keep(prepared).catch(failed))
    }
    /** Starts of the workers that are prepared and wait; `null`: nobody waits any more. */
    let held: (() => void)[] | null = []
    const release = () => {
      const all = held ?? []
      held = null
      for (const run of all) run()
    }
    let stopWaiting = () => {}
    let isAnnounced = false
    const prepared = (outline: RunOutline, run: () => void) => {
      if (held === null) run()
      else held.push(run)
      if (!isAnnounced) {
        isAnnounced = true
        announce(outline)
        stopWaiting = this.#clock.after(TOGETHER_MS, release)
        for (const other of others) keep(other)
      }
      if (held?.length === this.#workers.length) release()
    }
    if (first !== undefined) keep(first)
    // The others are added to `kept` while this waits for the first.
    for (const ended of kept) await ended
    stopWaiting()
    if (failures.length > 0) throw failures[0]
  }

  /** Tells all workers to finish what is in flight, and to end. */
  stop(): void {
    for (const worker of this.#workers) worker.stop()
  }

  /** Kills all workers. */
  kill(): void {
    for (const worker of this.#workers) worker.kill()
  }

  /** The metrics of the workers that respond. */
  async metrics(): Promise<MetricsOfWorker[]> {
    const answers = await Promise.all(this.#workers.map((worker) => worker.metrics()))
    return answers.flatMap((metrics, i) => (metrics === null ? [] : { worker: i + 1, metrics }))
  }
}
