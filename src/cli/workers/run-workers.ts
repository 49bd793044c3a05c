import { systemRandom } from '../../kernel/backoff.ts'
import { wallClock } from '../../kernel/clock.ts'
import { textOfAll } from '../../observe/metric-registry.ts'
import { createWorkersMetrics } from '../../observe/metrics.ts'
import type { HttpOptions, HttpServer } from '../../serve/http.ts'
import { banner } from '../banner.ts'
import { processLog } from '../process-log.ts'
import { httpAddressOf, type RunConfig } from '../run-config.ts'
import type { RunProcess } from '../run-process.ts'
import { StageReport } from '../stage-report.ts'
import { numberedName, numberedNames } from '../worker-names.ts'
import { KeptWorker } from './kept-worker.ts'
import { Supervisor } from './supervisor.ts'
import { startWorkerProcess } from './worker-process.ts'

// The parent of several workers. It starts them, keeps them running and serves HTTP for all of
// them; it processes no records itself.

/**
 * Runs several workers, each in its own process, until told to stop or until one of them cannot
 * continue.
 */
export async function runWorkers(
  files: readonly string[],
  config: RunConfig,
  { ended, stderr }: RunProcess,
): Promise<void> {
  const log = processLog(config, { stderr })
  const metrics = createWorkersMetrics(config.workers, () => stderr.dropped)
  const stages = new StageReport()
  const numbers = Array.from({ length: config.workers }, (_, i) => i + 1)
  const supervisor = new Supervisor(
    numbers.map((worker) => {
      const assignment = { worker, of: config.workers, files, config: configOf(worker, config) }
      return new KeptWorker({
        worker,
        start: (heard) => startWorkerProcess(assignment, heard),
        log,
        clock: wallClock,
        random: systemRandom,
        restarted: () => metrics.restarted(worker),
        finished: (of) => stages.addAll(of),
      })
    }),
    wallClock,
  )
  const address = httpAddressOf(config)
  const text = async () =>
    textOfAll([{ worker: null, metrics: await metrics.data() }, ...(await supervisor.metrics())])
  const { contentType } = metrics
  const { probes } = supervisor
  const http = address && (await serve({ ...address, probes, metrics: { contentType, text } }))
  // A second signal ends the parent at once: no worker must outlive it.
  const kill = () => supervisor.kill()
  process.once('exit', kill)
  void ended.promise.then(() => supervisor.stop())
  try {
    const names = numberedNames(config.workerName, config.workers)
    await supervisor.run((outline) => banner(outline, config, { names, http }))
  } finally {
    process.off('exit', kill)
    await http?.close()
  }
  // A JSON log is read by machines, which have the metrics.
  if (config.logFormat === 'text') stages.print()
}

/** Loads the HTTP server only when there is something to serve. */
async function serve(options: HttpOptions): Promise<HttpServer> {
  return (await import('../../serve/http.ts')).serveHttp(options)
}

/** The settings of one worker: each has its own name. */
function configOf(worker: number, config: RunConfig): RunConfig {
  const { workerName } = config
  return workerName === null ? config : { ...config, workerName: numberedName(workerName, worker) }
}
