import { type Clock, wallClock } from '../../kernel/clock.ts'
import { systemRandom } from '../../kernel/random.ts'
import { type MetricsOfWorker, textOfAll } from '../../observe/metric-registry.ts'
import { createWorkersMetrics } from '../../observe/metrics.ts'
import { livenessOfAll, type Probes, readinessOfAll } from '../../serve/health.ts'
import {
  httpAddressOf,
  predictAddressOf,
  type RunOutline,
  type RunProcess,
} from '../run-process.ts'
import type { RunConfig } from '../settings.ts'
import { numberedName, numberedNames } from '../worker-name.ts'
import { KeptWorker } from './kept-worker.ts'
import { startWorkerProcess } from './worker-process.ts'

const TOGETHER_MS = 15_000

export class Supervisor implements Probes {
  readonly #workers: readonly KeptWorker[]
  readonly #clock: Clock

  constructor(workers: readonly KeptWorker[], clock: Clock) {
    this.#workers = workers
    this.#clock = clock
  }

  async liveness() {
    return livenessOfAll(await this.#readiness())
  }

  async readiness() {
    return readinessOfAll(await this.#readiness())
  }

  #readiness() {
    return Promise.all(this.#workers.map((worker) => worker.readiness()))
  }

  /**
   * Runs until told to stop. The first worker prepares alone, so that faults are reported once. All
   * join the group together: an early one would restore windows that it then gives away.
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
        released.abort()
      }
      kept.push(worker.keep(prepared).catch(failed))
    }
    const released = new AbortController()
    let stopWaiting = () => {}
    let count = 0
    const prepared = (outline: RunOutline, run: () => void) => {
      if (released.signal.aborted) run()
      else released.signal.addEventListener('abort', run)
      count++
      if (count === 1) {
        announce(outline)
        stopWaiting = this.#clock.after(TOGETHER_MS, () => released.abort())
        for (const other of others) keep(other)
      }
      if (count === this.#workers.length) released.abort()
    }
    if (first !== undefined) keep(first)
    // The others are added to `kept` while this waits for the first.
    for (const ended of kept) await ended
    stopWaiting()
    if (failures.length > 0) throw failures[0]
  }

  stop(): void {
    for (const worker of this.#workers) worker.stop()
  }

  kill(): void {
    for (const worker of this.#workers) worker.kill()
  }

  status() {
    return Promise.all(this.#workers.map((worker) => worker.status()))
  }

  async metrics(): Promise<MetricsOfWorker[]> {
    const answers = await Promise.all(this.#workers.map((worker) => worker.metrics()))
    return answers.map((metrics, i) => ({ worker: i + 1, metrics }))
  }
}

/**
 * Runs the workers of a group, each in a process of its own, until told to stop.
 * @throws as {@link Supervisor.run}
 */
export async function runWorkers(
  files: readonly string[],
  config: RunConfig,
  { stop, openLog, droppedLines, announce }: RunProcess,
): Promise<void> {
  const log = openLog()
  const predict = predictAddressOf(config)
  const server =
    predict &&
    (await (await import('../../serve/worker-requests.ts')).passRequestsOn(predict, () => workers))
  const workers: readonly KeptWorker[] = Array.from({ length: config.workers }, (_, i) => {
    const worker = i + 1
    const workerName = config.workerName && numberedName(config.workerName, worker)
    const workerConfig = { ...config, workerName }
    const advertise = server?.advertised ?? null
    const assignment = { worker, of: config.workers, files, config: workerConfig, advertise }
    const start = (prepared: (outline: RunOutline) => void) =>
      startWorkerProcess(assignment, prepared)
    return new KeptWorker({ worker, start, log, clock: wallClock, random: systemRandom })
  })
  const supervisor = new Supervisor(workers, wallClock)
  const metrics = createWorkersMetrics({ workers, droppedLines })
  const address = httpAddressOf(config)
  const text = async () => {
    const ofWorkers = await supervisor.metrics()
    // The first series of a name and its labels counts.
    return textOfAll([{ worker: null, metrics: await metrics.data() }, ...ofWorkers])
  }
  const { contentType } = metrics
  const served = address && {
    ...{ ...address, probes: supervisor, metrics: { contentType, text } },
    status: () => supervisor.status(),
  }
  const http = served && (await (await import('../../serve/http.ts')).serveHttp(served))
  // A second signal ends the parent at once: no worker must outlive it.
  const kill = () => supervisor.kill()
  process.once('exit', kill)
  const end = () => {
    supervisor.stop()
    void server?.close()
  }
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  try {
    const names = numberedNames(config.workerName, config.workers)
    await supervisor.run((outline) => announce(outline, { names, http, predict: server }))
  } finally {
    process.off('exit', kill)
    await Promise.all([http?.close(), server?.close()])
  }
}
