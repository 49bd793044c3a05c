import type { MetricsOfWorker } from '../../observe/metric-maker.ts'
import type { Probes } from '../../serve/health.ts'
import { livenessOfAll, readinessOfAll } from '../../serve/workers-health.ts'
import type { RunOutline } from '../banner.ts'
import type { KeptWorker } from './kept-worker.ts'

/** Several workers that start and stop together. */
export class Supervisor {
  readonly probes: Probes
  readonly #workers: readonly KeptWorker[]

  constructor(workers: readonly KeptWorker[]) {
    this.#workers = workers
    const readiness = () => Promise.all(workers.map((worker) => worker.readiness()))
    this.probes = {
      liveness: async () => livenessOfAll(await readiness()),
      readiness: async () => readinessOfAll(await readiness()),
    }
  }

  /**
   * Runs until told to stop. The first worker prepares alone, so that whatever is wrong with files,
   * tables and models is found and told once; the others start when it is through.
   *
   * @param announce told before any of them works
   * @throws what the first of them could not go on from, when all have ended
   */
  async run(announce: (outline: RunOutline) => void): Promise<void> {
    const [first, ...others] = this.#workers
    const kept: Promise<void>[] = []
    const failures: unknown[] = []
    const keep = (worker: KeptWorker) => {
      const failed = (thrown: unknown) => {
        failures.push(thrown)
        this.stop()
      }
      kept.push(worker.keep(prepared).catch(failed))
    }
    let isAnnounced = false
    const prepared = (outline: RunOutline) => {
      if (isAnnounced) return
      isAnnounced = true
      announce(outline)
      others.forEach(keep)
    }
    if (first !== undefined) keep(first)
    // While the first is waited for, the others are added.
    for (const ended of kept) await ended
    if (failures.length > 0) throw failures[0]
  }

  /** Lets all of them finish what is in flight, and end. */
  stop(): void {
    for (const worker of this.#workers) worker.stop()
  }

  /** Ends all of them at once. */
  kill(): void {
    for (const worker of this.#workers) worker.kill()
  }

  /** Of those that answer. */
  async metrics(): Promise<MetricsOfWorker[]> {
    const answers = await Promise.all(this.#workers.map((worker) => worker.metrics()))
    return answers.flatMap((metrics, i) => (metrics === null ? [] : { worker: i + 1, metrics }))
  }
}
