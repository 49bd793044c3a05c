import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { TidemarkError } from '../kernel/errors.ts'
import { builtEntry } from './built-entry.ts'
import type { Reading, Runner } from './runner.ts'

/** What a scoring thread is given when it starts. */
export interface ThreadData {
  readonly bytes: Uint8Array
  readonly reading: Reading
  /** The column its rows are sorted by; `null`: none. */
  readonly sortBy: number | null
}

/**
 * To the thread. `buffer` is handed over, and comes back with the reply: its first `length` float32
 * are the rows.
 */
export type Request =
  | {
      readonly type: 'run'
      readonly buffer: ArrayBuffer
      readonly length: number
      readonly count: number
    }
  | { readonly type: 'close' }

/** From the thread, after `'ready'`: one for each run. */
export type Reply =
  | { readonly buffer: ArrayBuffer; readonly scores: Float64Array[] }
  | { readonly buffer: ArrayBuffer; readonly error: string }

interface Waiter {
  readonly resolve: (message: unknown) => void
  readonly reject: (reason: Error) => void
}

/**
 * Runs on a thread of its own and leaves this one free. When the thread ends by itself, the run in
 * flight and each later one fail with `INVARIANT`: a model that cannot be asked any more must stop
 * the worker, not set its rows aside.
 */
export class ThreadRunner implements Runner {
  readonly #worker: Worker
  /** Rows travel in it, there and back. */
  #buffer = new ArrayBuffer(0)
  #waiter: Waiter | null = null
  #ended: string | null = null

  private constructor(data: ThreadData) {
    // The parent's flags (a TypeScript loader, a debugger) are none of the thread's business.
    this.#worker = new Worker(builtEntry('scorer-thread'), { workerData: data, execArgv: [] })
    this.#worker.on('message', (message) => this.#take()?.resolve(message))
    this.#worker.on('error', (error) => this.#end(error.message))
    this.#worker.on('exit', (code) => this.#end(`exit code ${code}`))
  }

  /** @throws Error when the thread cannot start or cannot load the model */
  static async start(data: ThreadData): Promise<ThreadRunner> {
    const runner = new ThreadRunner(data)
    await runner.#next()
    return runner
  }

  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    if (this.#ended !== null) throw threadEnded(this.#ended)
    if (this.#buffer.byteLength < rows.byteLength) this.#buffer = new ArrayBuffer(rows.byteLength)
    const buffer = this.#buffer
    new Float32Array(buffer).set(rows)
    this.#post({ type: 'run', buffer, length: rows.length, count }, [buffer])
    const reply = (await this.#next()) as Reply
    this.#buffer = reply.buffer
    if ('error' in reply) throw new Error(reply.error)
    return reply.scores
  }

  async close(): Promise<void> {
    if (this.#ended !== null) return
    const exit = once(this.#worker, 'exit')
    this.#post({ type: 'close' }, [])
    await exit
  }

  #post(request: Request, handedOver: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(request, handedOver)
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  #take(): Waiter | null {
    const waiter = this.#waiter
    this.#waiter = null
    return waiter
  }

  #end(reason: string): void {
    this.#ended ??= reason
    this.#take()?.reject(threadEnded(reason))
  }
}

function threadEnded(reason: string): TidemarkError {
  return new TidemarkError('INVARIANT', `the scoring thread has ended: ${reason}`)
}
