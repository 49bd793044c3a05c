import { once } from 'node:events'
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { TidemarkError } from '../kernel/errors.ts'
import { builtEntry } from './built-entry.ts'
import type { MeasuredRunner } from './measured-runner.ts'
import type { Reading } from './runner.ts'
import type { Signature } from './signature.ts'
import { beginRun, endRun } from './threads-in-run.ts'
import type { Cost, MeasuredCost } from './warm-up.ts'

/** The data that a scoring thread starts with. */
export interface ThreadData {
  readonly bytes: Uint8Array
  readonly reading: Reading
  /** Whether it runs when nothing else needs the processor. @default false */
  readonly isBackground?: boolean
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
  | { readonly type: 'measure'; readonly sample: Float32Array }
  | { readonly type: 'column'; readonly sample: Float32Array; readonly cost: Cost }
  | { readonly type: 'sort'; readonly column: number | null }
  | { readonly type: 'close' }

/** The first message from the thread: what the model declares, or why it cannot be loaded. */
export type ThreadReady = { readonly signature: Signature } | { readonly refused: string }

/** A later message from the thread: one for each run, and each question. */
export type ThreadReply<T> = { readonly is: T } | { readonly error: string }

/** ONNX Runtime refuses to load a model; with its message. */
export class ModelRefused extends Error {}

interface Waiter {
  readonly resolve: (message: unknown) => void
  readonly reject: (reason: Error) => void
}

/**
 * Runs a model on another thread and keeps this one free. When that thread ends unexpectedly, the
 * run in flight and all later ones fail with `MODEL_LOST`: a model that can no longer be run must
 * not turn its rows into dead letters.
 */
export class ThreadRunner implements MeasuredRunner {
  readonly #label: string
  readonly #worker: Worker
  /** Transfers rows to the thread and is reused when it comes back. */
  #buffer = new ArrayBuffer(0)
  #waiter: Waiter | null = null
  #ended: string | null = null
  #signature: Signature = { inputs: [], outputs: [] }
  #isInRun = false

  private constructor(label: string, data: ThreadData) {
    this.#label = label
    this.#worker = new Worker(builtEntry('scorer-thread'), {
      workerData: data,
      // The parent's flags (a TypeScript loader, a debugger) are not passed on to the thread.
      execArgv: [],
      // ONNX Runtime reads the process's environment, which a thread with a copy cannot change.
      env: SHARE_ENV,
    })
    this.#worker.on('message', (message) => this.#removeWaiter()?.resolve(message))
    this.#worker.on('error', (error) => this.#end(error.message))
    this.#worker.on('exit', (code) => this.#end(`exit code ${code}`))
  }

  /**
   * @param label of the model, for the reader
   * @throws ModelRefused · Error when the thread cannot start
   */
  static async start(label: string, data: ThreadData): Promise<ThreadRunner> {
    const runner = new ThreadRunner(label, data)
    const ready = (await runner.#next()) as ThreadReady
    if ('refused' in ready) throw new ModelRefused(ready.refused)
    runner.#signature = ready.signature
    return runner
  }

  /** What the model's file declares. */
  get signature(): Signature {
    return this.#signature
  }

  async run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    if (this.#buffer.byteLength < rows.byteLength) this.#buffer = new ArrayBuffer(rows.byteLength)
    const buffer = this.#buffer
    new Float32Array(buffer).set(rows)
    const request = { type: 'run', buffer, length: rows.length, count } as const
    const reply = await this.#ask<Float64Array[]>(request, [buffer])
    this.#buffer = (reply as { buffer?: ArrayBuffer }).buffer ?? new ArrayBuffer(0)
    return resultOf(reply)
  }

  async measure(sample: Float32Array): Promise<MeasuredCost> {
    return resultOf(await this.#ask<MeasuredCost>({ type: 'measure', sample }, []))
  }

  async columnToSortBy(sample: Float32Array, cost: Cost): Promise<number | null> {
    return resultOf(await this.#ask<number | null>({ type: 'column', sample, cost }, []))
  }

  sortBy(column: number | null): void {
    this.#post({ type: 'sort', column }, [])
  }

  /** Does not wait for a run in flight: the thread ends after it, if it ever does. */
  async close(): Promise<void> {
    if (this.#ended !== null) return
    const exit = once(this.#worker, 'exit')
    this.#post({ type: 'close' }, [])
    if (this.#isInRun) this.#worker.unref()
    else await exit
  }

  /** Posts a request that has a reply, and waits for it. */
  async #ask<T>(
    request: ThreadRequest,
    transferred: readonly ArrayBuffer[],
  ): Promise<ThreadReply<T>> {
    if (this.#ended !== null) throw this.#endedBy(this.#ended)
    this.#post(request, transferred)
    beginRun(this)
    this.#isInRun = true
    return (await this.#next()) as ThreadReply<T>
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

function resultOf<T>(reply: ThreadReply<T>): T {
  if ('error' in reply) throw new Error(reply.error)
  return reply.is
}
