import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Refused, TidemarkError } from '../../kernel/errors.ts'
import { WorkFolder } from '../../records/files/work-folder.ts'
import { PACKAGE } from '../own-package.ts'
import { type FaultData, faultData, faultOf } from '../workers/messages.ts'
import { heapFlags } from '../workers/worker-process.ts'
import { BatchWorker, openBatchInput } from './batch-worker.ts'
import { type Job, type Progress, prepareJob, type Saved } from './job.ts'

// A worker of a batch in a process of its own. Messages: begin → progress … → ended.

interface Assignment {
  readonly job: Job
  readonly worker: number
  readonly sorted: string | null
  readonly saved: Saved
}

type Report =
  | { readonly progress: Progress }
  | { readonly isWhole: boolean }
  | { readonly faults: readonly FaultData[] }

const MAIN = new URL('dist/cli/batch/batch-worker-main.js', PACKAGE)
const TOLD_EVERY_MS = 200

export class BatchWorkerProcess {
  progress: Progress = { records: 0, share: 0 }
  readonly #done: Promise<boolean>

  constructor(assignment: Assignment, stopped: Promise<void>) {
    const { worker, job } = assignment
    const child = fork(MAIN, [String(worker)], {
      execArgv: heapFlags(job.workers),
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    let ended: boolean | null = null
    let faults: readonly Error[] = []
    child.on('message', (report: Report) => {
      if ('progress' in report) this.progress = report.progress
      else if ('isWhole' in report) ended = report.isWhole
      else faults = report.faults.map(faultOf)
    })
    const send = (message: Assignment | 'stop') => {
      if (child.connected) child.send(message, () => {})
    }
    send(assignment)
    void stopped.then(() => send('stop'))
    const kill = () => void child.kill('SIGKILL')
    process.once('exit', kill)
    this.#done = once(child, 'close').then(([code, signal]) => {
      process.off('exit', kill)
      const [fault] = faults
      if (faults.length > 1) throw new Refused(faults.filter((of) => of instanceof TidemarkError))
      if (fault !== undefined) throw fault
      if (ended !== null) return ended
      const how = signal === null ? `with exit code ${code}` : `by ${signal}`
      throw new TidemarkError('WORKER_FAILED', `worker ${worker + 1} of the batch ended ${how}`, {
        hint: 'the same command with --resume continues from what was saved',
      })
    })
  }

  /** @returns as {@link BatchWorker.run} */
  run(): Promise<boolean> {
    return this.#done
  }
}

/** The other end of a {@link BatchWorkerProcess}. */
export async function workForParent(): Promise<void> {
  const tell = (report: Report) =>
    new Promise<void>((resolve) => {
      if (process.send === undefined || !process.connected) resolve()
      else process.send(report, undefined, undefined, () => resolve())
    })
  const [assignment] = (await once(process, 'message')) as [Assignment]
  const stopped = new Promise<void>((resolve) => {
    process.on('message', () => resolve())
    process.on('disconnect', orphaned)
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
  })
  try {
    const { job } = assignment
    const folder = WorkFolder.of(job.flags.output)
    const { prepared, rows } = await prepareJob(job)
    const input = await openBatchInput(job, prepared, folder)
    const batchWorker = await BatchWorker.open({
      ...assignment,
      prepared,
      rows,
      folder,
      input,
      stopped,
    })
    const telling = setInterval(() => void tell({ progress: batchWorker.progress }), TOLD_EVERY_MS)
    const isWhole = await batchWorker.run().finally(() => clearInterval(telling))
    await tell({ progress: batchWorker.progress })
    await tell({ isWhole })
    await prepared.close()
  } catch (thrown) {
    await tell({ faults: (thrown instanceof Refused ? thrown.faults : [thrown]).map(faultData) })
  }
  process.off('disconnect', orphaned)
  process.disconnect()
}

/** The parent was killed: another run may already continue from what was saved. */
function orphaned(): void {
  process.kill(process.pid, 'SIGKILL')
}
