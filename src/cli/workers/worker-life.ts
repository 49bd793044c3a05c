import { faultsOf } from '../../kernel/errors.ts'
import { toStderr } from '../../observe/log.ts'
import { observeAll } from '../../observe/observer.ts'
import type { Observer } from '../../runtime/events.ts'
import { limitsOfMachine } from '../../runtime/machine-limits.ts'
import { readinessOf } from '../../serve/health.ts'
import { watchStdout } from '../output.ts'
import { prepareFiles } from '../prepare-files.ts'
import { EXIT, sayTo } from '../print.ts'
import { processLog } from '../process-log.ts'
import { chosenRegistry } from '../registry-options.ts'
import { optionsOf } from '../run-config.ts'
import { outlineOf } from '../run-outline.ts'
import { workUntil } from '../run-worker.ts'
import { StageReport } from '../stage-report.ts'
import { watchWarnings } from '../warnings.ts'
import { faultData } from './fault-data.ts'
import type { ParentLink } from './parent-link.ts'

/**
 * Prepares, works once the parent says so, and ends when told to stop. Reports failures to the
 * parent; never throws.
 */
export async function liveAsWorker(parent: ParentLink): Promise<void> {
  // An error on stdout or stderr cannot be reported anywhere.
  watchStdout(() => {})
  process.stderr.on('error', () => {})
  watchWarnings()
  try {
    await prepareAndWork(parent)
  } catch (thrown) {
    process.exitCode = EXIT.failed
    await parent.tell({ type: 'failed', faults: faultsOf(thrown).map(faultData) })
  }
}

async function prepareAndWork(parent: ParentLink): Promise<void> {
  const assignment = await Promise.race([parent.assignment, parent.stopped])
  if (assignment === undefined) return
  const { worker, of, files, config } = assignment
  const stderr = toStderr()
  sayTo(stderr)
  const prepared = await prepareFiles(files, config, chosenRegistry(config))
  await parent.tell({ type: 'prepared', outline: outlineOf(prepared, config.group) })
  await Promise.race([parent.released, parent.stopped])
  if (parent.hasStopped) return prepared.close()
  const options = optionsOf(config)
  const stages = new StageReport()
  await workUntil(parent.stopped, {
    prepared,
    options: {
      ...options,
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
  await parent.tell({ type: 'finished', stages: stages.data() })
}

function tellsWhenRunning(parent: ParentLink): Observer {
  return (event) => {
    if (event.type === 'state' && event.state === 'running') void parent.tell({ type: 'running' })
  }
}
