import { type Hosted, hostWorker } from '../host/host-worker.ts'
import { NO_NAME } from '../host/worker-name.ts'
import { banner } from './banner.ts'
import { kafkaOptions } from './kafka-options.ts'
import { prepareFiles } from './prepare-files.ts'
import { processLog } from './process-log.ts'
import { chosenRegistry } from './registry-options.ts'
import { httpAddressOf, type RunConfig } from './run-config.ts'
import { outlineOf } from './run-outline.ts'
import type { RunProcess } from './run-process.ts'
import { workerOptions } from './settings.ts'
import { StageReport } from './stage-report.ts'

/** Runs one worker in this process until it ends or is told to stop. */
export async function runWorkerHere(
  files: readonly string[],
  config: RunConfig,
  { ended, stderr }: RunProcess,
): Promise<void> {
  const prepared = await prepareFiles(files, workerOptions(config), chosenRegistry(config))
  if (ended.hasCome) return prepared.close()
  const log = processLog(config, { stderr })
  const http = httpAddressOf(config)
  const stages = new StageReport()
  await workUntil(ended.promise, {
    prepared,
    options: {
      ...workerOptions(config),
      ...kafkaOptions(config),
      log,
      observer: stages.observer,
      ...(http && { http }),
    },
    droppedLines: () => stderr.dropped,
    announce: ({ workerName, http: at }) => {
      const place = { names: workerName ?? NO_NAME, http: at }
      banner(outlineOf(prepared, config.group), config, place)
    },
  })
  // A JSON log is read by machines, which have the metrics.
  if (config.logFormat === 'text') stages.print()
}

/** Runs a worker until `stopped` resolves. @throws what {@link RunningWorker.done} rejects with */
export async function workUntil(stopped: Promise<void>, hosted: Hosted): Promise<void> {
  const worker = await hostWorker(hosted)
  await Promise.race([stopped, worker.done])
  await worker.stop()
}
