import { groupOf, type Hosted, hostWorker } from '../host/host-worker.ts'
import { NO_NAME } from '../host/worker-name.ts'
import { faultsOf } from '../kernel/errors.ts'
import { toStderr } from '../observe/log.ts'
import { observeAll } from '../observe/observer.ts'
import type { Observer } from '../runtime/events.ts'
import { limitsOfMachine } from '../runtime/machine-limits.ts'
import { type Prepared, scorersOf } from '../runtime/prepared.ts'
import { type Scorer, shownEvaluator, shownSize } from '../scoring/scorer.ts'
import { readinessOf } from '../serve/health.ts'
import { failWith } from './exit.ts'
import { kafkaOptions } from './kafka-options.ts'
import { prepareFiles, summaryOf, variantLines } from './prepared.ts'
import { sayTo, watchStdout, watchWarnings } from './print.ts'
import { chosenRegistry } from './registry-options.ts'
import { httpAddressOf, type RunConfig } from './run-config.ts'
import { banner, processLog, type RunOutline, type RunProcess } from './run-output.ts'
import { workerOptions } from './settings.ts'
import { type StageDurations, StageReport } from './totals.ts'
import { faultData, type ParentLink } from './workers/messages.ts'

/** Runs the only worker in this process, until it ends or is told to stop. */
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

/** Runs a worker until `stopped` resolves. @throws as {@link RunningWorker.done} rejects */
async function workUntil(stopped: Promise<void>, hosted: Hosted): Promise<void> {
  const worker = await hostWorker(hosted)
  await Promise.race([stopped, worker.done])
  await worker.stop()
}

/** The outline of a run, for the banner. @param group as configured; `null`: the default */
function outlineOf(prepared: Prepared, group: string | null): RunOutline {
  return {
    group: groupOf(group, prepared),
    topologies: prepared.topologies.map((topology) => ({
      summary: summaryOf(topology),
      models: scorersOf(topology).map(modelLine),
      shadows: topology.shadows.map(({ scorer }) => modelLine(scorer)),
      by: topology.by,
    })),
    variants: variantLines(prepared.variants),
    notes: prepared.notes,
  }
}

function modelLine({ label, sha256, evaluator, size }: Scorer): string {
  return `${label}  sha256 ${sha256.slice(0, 12)}…  by ${shownEvaluator(evaluator)}${shownSize(size)}`
}

/** Runs one of several workers in this process. Tells the parent how it ends; never throws. */
export async function runWorkerOf(parent: ParentLink): Promise<void> {
  // An error on stdout or stderr cannot be reported anywhere.
  watchStdout(() => {})
  process.stderr.on('error', () => {})
  watchWarnings()
  try {
    await parent.tell({ type: 'finished', stages: await prepareAndWork(parent) })
  } catch (thrown) {
    process.exitCode = failWith(thrown)
    await parent.tell({ type: 'failed', faults: faultsOf(thrown).map(faultData) })
  }
}

async function prepareAndWork(parent: ParentLink): Promise<StageDurations> {
  const stages = new StageReport()
  const assignment = await Promise.race([parent.assignment, parent.stopped])
  if (assignment === undefined) return stages.data()
  const { worker, of, files, config } = assignment
  const stderr = toStderr()
  sayTo(stderr)
  const options = workerOptions(config)
  const prepared = await prepareFiles(files, options, chosenRegistry(config))
  await parent.tell({ type: 'prepared', outline: outlineOf(prepared, config.group) })
  await Promise.race([parent.released, parent.stopped])
  if (parent.hasStopped) {
    await prepared.close()
    return stages.data()
  }
  await workUntil(parent.stopped, {
    prepared,
    options: {
      ...options,
      ...kafkaOptions(config),
      maxStateBytes: options.maxStateBytes ?? limitsOfMachine(of).maxBytes,
      log: processLog(config, { stderr, worker }),
      observer: observeAll(stages.observer, tellsWhenRunning(parent)),
    },
    droppedLines: () => stderr.dropped,
    expose: ({ worker: observed, metrics }) =>
      parent.answersWith({
        readiness: () => readinessOf(observed),
        metrics: () => metrics.data(),
      }),
  })
  return stages.data()
}

function tellsWhenRunning(parent: ParentLink): Observer {
  return (event) => {
    if (event.type === 'state' && event.state === 'running') void parent.tell({ type: 'running' })
  }
}
