import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { TidemarkError } from '../kernel/errors.ts'
import { builtEntry } from './built-entry.ts'
import type { Reading, Runner } from './runner.ts'
import { beginRun, endRun } from './threads-in-run.ts'

/** The data that a scoring thread starts with. */
export interface ThreadData {
  readonly bytes: Uint8Array
  readonly reading: Reading
  /** Column that its rows are sorted by; `null`: none. */
  readonly sortBy: number | null
}

/**
 * A message to the thread. `buffer` is transferred and comes back with the reply; its first
 * `length` float32 are the rows.
 */
export type ThreadRequest =
  | {
      readonly type: 'run'
      readonly buffer: ArrayBuffer
      readonly length: number
      readonly count: number
    }
  | { readonly type: 'close' }

/** A message from the thread: one for each run, after the initial `'ready'`. */
export type ThreadReply =
  | { readonly buffer: ArrayBuffer; readonly scores: Float64Array[] }
  | { readonly buffer: ArrayBuffer; readonly error: string }

interface Waiter {
  readonly resolve: (message: unknown) => void
  readonly reject: (reason: Error) => void
}

/**
 * Runs a model on another thread and keeps this one free. When that thread ends unexpectedly, the
 * run in flight and all later ones fail with `MODEL_LOST`: a model that can no longer be run must
 * not turn its rows into dead letters.
 */
export class ThreadRunner implements Runner {
  readonly #label: string
  readonly #worker: Worker
  /** Transfers rows to the thread and is reused when it comes back. */
  #buffer = new ArrayBuffer(0)
  #waiter: Waiter | null = null
  #ended: string | null = null
  #isInRun = false

  private constructor(label: string, data: ThreadData) {
    this.#label = label
    // The parent's flags (a TypeScript loader, a debugger) are not passed on to the thread.
    this.#worker = new Worker(builtEntry('scorer-thread'), { workerData: data, execArgv: [] })
    this.#worker.on('message', (message) => this.#removeWaiter()?.resolve(message))
    this.#worker.on('error', (error) => this.#end(error.message))
    this.#worker.on('exit', (code) => this.#end(`exit code ${code}`))
  }

  /**
   * @param label of the model, for the reader
   * @throws Error when the thread cannot start or cannot load the model
   */
  static async start(label: string, data: ThreadData): Promise<ThreadRunner> {
    const runner = new ThreadRunner(label, data)
    await runner.#next()
    return runner
  }

  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    if (this.#ended !== null) throw this.#endedBy(this.#ended)
    if (this.#buffer.byteLength < rows.byteLength) this.#buffer = new ArrayBuffer(rows.byteLength)
    const buffer = this.#buffer
    new Float32Array(buffer).set(rows)
    this.#post({ type: 'run', buffer, length: rows.length, count }, [buffer])
    beginRun(this)
    this.#isInRun = true
    const reply = (await this.#next()) as ThreadReply
    this.#buffer = reply.buffer
    if ('error' in reply) throw new Error(reply.error)
    return reply.scores
  }

  /** Does not wait for a run in flight: the thread ends after it, if it ever does. */
  async close(): Promise<void> {
    if (this.#ended !== null) return
    const exit = once(this.#worker, 'exit')
    this.#post({ type: 'close' }, [])
    if (this.#isInRun) this.#worker.unref()
    else await exit
  }

  #post(request: ThreadRequest, transferred: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(request, transferred)
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  #removeWaiter(): Waiter | null {
    const waiter = this.#waiter
    this.#waiter = null
    endRun(this)
    this.#isInRun = false
    return waiter
  }

  #end(reason: string): void {
    this.#ended ??= reason
    this.#removeWaiter()?.reject(this.#endedBy(reason))
  }

  #endedBy(reason: string): TidemarkError {
    return new TidemarkError('MODEL_LOST', `the thread of ${this.#label} has ended: ${reason}`)
  }
}
