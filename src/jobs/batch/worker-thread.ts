import { SHARE_ENV, Worker } from 'node:worker_threads'
import type { PartitionLines } from '../../connect/files/partition-lines.ts'
import { PACKAGE } from '../../host/own-package.ts'
import { type FaultData, faultOf, thrownOf } from '../../host/workers/messages.ts'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import type { BatchWorkerOptions } from './batch-worker.ts'

// A worker of a batch in a thread of its own, which gets the lines of its partitions.

export type ThreadAssignment = Pick<BatchWorkerOptions, 'job' | 'worker' | 'saved' | 'files'>

export type ThreadOrder = readonly PartitionLines[] | 'end' | 'stop'

/** `taken`: it wants more lines. Last comes whether all is done, or why not. */
export type ThreadReport = 'taken' | ThreadEnd

type ThreadEnd = { readonly isWhole: boolean } | { readonly faults: readonly FaultData[] }

const ENTRY = new URL('dist/jobs/batch/worker-thread-entry.js', PACKAGE)
/** Blocks of lines that wait in a thread. */
const MOST_WAITING = 2

export class BatchWorkerThread {
  isOver = false
  readonly #thread: Worker
  readonly #changed = new ConditionVariable()
  #waiting = 0

  constructor(assignment: ThreadAssignment, stop: AbortSignal) {
    this.#thread = new Worker(ENTRY, {
      workerData: assignment,
      execArgv: [],
      // A quarter of Node's default: collections are as quick, and it takes less memory.
      resourceLimits: { maxYoungGenerationSizeMb: 12 },
      env: SHARE_ENV,
      // Node would close pipes again that a socket has closed, which may be files of others by then.
      trackUnmanagedFds: false,
    })
    stop.addEventListener('abort', () => this.#order('stop'), { once: true })
  }

  /** Resolves when it has taken lines before these, or is over. `null`: there are no more. */
  async give(lines: readonly PartitionLines[] | null): Promise<void> {
    await this.#changed.until(() => this.#waiting < MOST_WAITING || this.isOver)
    this.#waiting++
    this.#order(lines ?? 'end')
  }

  /** @returns as {@link BatchWorker.run} */
  async run(): Promise<boolean> {
    // A thread with a model that hangs tells its end, but does not exit.
    const ended = await new Promise<ThreadEnd | { readonly why: string }>((resolve) => {
      this.#thread.on('message', (report: ThreadReport) => {
        if (report !== 'taken') return resolve(report)
        this.#waiting--
        this.#changed.notifyAll()
      })
      this.#thread.once('error', (error) => resolve({ why: messageOf(error) }))
      this.#thread.once('exit', (code) => resolve({ why: `exit code ${code}` }))
    })
    this.isOver = true
    this.#changed.notifyAll()
    if ('why' in ended) {
      const message = `a worker of the batch ended: ${ended.why}`
      const hint = 'the same command with --resume continues from what was saved'
      throw new TidemarkError('WORKER_FAILED', message, { hint })
    }
    if ('isWhole' in ended) return ended.isWhole
    throw thrownOf(ended.faults.map(faultOf))
  }

  #order(order: ThreadOrder): void {
    const blocks = typeof order === 'string' ? [] : order
    const buffers = blocks.flatMap(({ bytes, spans, offsets, places }) => {
      return [bytes, spans.buffer, offsets.buffer, places.buffer] as ArrayBuffer[]
    })
    this.#thread.postMessage(order, buffers)
  }
}
