import { once } from 'node:events'
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { Refused, TidemarkError } from '../../kernel/errors.ts'
import { PACKAGE } from '../own-package.ts'
import { type FaultData, faultOf } from '../workers/messages.ts'
import type { Job, Progress, Saved } from './job.ts'

// A worker of a batch in a thread of its own.

export interface ThreadAssignment {
  readonly job: Job
  readonly worker: number
  readonly sorted: string | null
  readonly saved: Saved
}

/** `progress` comes again and again, then one of the others. */
export type ThreadReport =
  | { readonly progress: Progress }
  | { readonly isWhole: boolean }
  | { readonly faults: readonly FaultData[] }

const ENTRY = new URL('dist/cli/batch/worker-thread-entry.js', PACKAGE)

export class BatchWorkerThread {
  progress: Progress = { records: 0, share: 0 }
  readonly #thread: Worker

  constructor(assignment: ThreadAssignment, stopped: Promise<unknown>) {
    this.#thread = new Worker(ENTRY, {
      workerData: assignment,
      execArgv: [],
      // A quarter of Node's default: collections are as quick, and it takes less memory.
      resourceLimits: { maxYoungGenerationSizeMb: 12 },
      env: SHARE_ENV,
      // Node would close pipes again that a socket has closed, which may be files of others by then.
      trackUnmanagedFds: false,
    })
    void stopped.then(() => this.#thread.postMessage('stop'))
  }

  /** @returns as {@link BatchWorker.run} */
  async run(): Promise<boolean> {
    let last: ThreadReport | null = null
    this.#thread.on('message', (report: ThreadReport) => {
      if ('progress' in report) this.progress = report.progress
      else last = report
    })
    const [code] = (await once(this.#thread, 'exit')) as [number]
    const ended = last as Exclude<ThreadReport, { readonly progress: Progress }> | null
    if (ended === null) {
      const what = `a worker of the batch ended with exit code ${code}`
      const hint = 'the same command with --resume continues from what was saved'
      throw new TidemarkError('WORKER_FAILED', what, { hint })
    }
    if ('isWhole' in ended) return ended.isWhole
    const faults = ended.faults.map(faultOf)
    if (faults.length === 1) throw faults[0] as Error
    throw new Refused(faults.filter((of) => of instanceof TidemarkError))
  }
}
