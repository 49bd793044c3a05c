import { once } from 'node:events'
import { getEnvironmentData, SHARE_ENV, setEnvironmentData, Worker } from 'node:worker_threads'
import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Weights } from './model-files.ts'
import type {
  MeasuredCost,
  ModelReading,
  OpenedModel,
  Placement,
  Runner,
  Signature,
} from './runner.ts'

export interface ThreadData {
  readonly bytes: Uint8Array
  /** @default none */
  readonly weights?: readonly Pick<Weights, 'path' | 'bytes'>[]
  readonly reading: ModelReading
  /** Whether it runs only when nothing else needs the processor. @default false */
  readonly isBackground?: boolean
}

/** `buffer` is transferred and comes back; its first `length` float32 are the rows. */
export type ThreadRequest =
  | {
      readonly type: 'run'
      readonly buffer: ArrayBuffer
      readonly length: number
      readonly count: number
    }
  | { readonly type: 'measure'; readonly sample: Float32Array }
  | { readonly type: 'close' }

/** The thread's first message: the model as opened, or why it cannot be loaded. */
export type ThreadReady =
  | { readonly signature: Signature; readonly placement: Placement }
  | { readonly refused: string }

export type ThreadReply<T> = { readonly is: T } | { readonly error: string }

export class ModelRefused extends Error {}

/** The number of threads in a run, in memory that all threads of the process share. */
const IN_RUN = 'tidemark.inRun'
const shared = (getEnvironmentData(IN_RUN) ?? new SharedArrayBuffer(4)) as SharedArrayBuffer
setEnvironmentData(IN_RUN, shared)
const inRun = new Int32Array(shared)

interface Waiter {
  readonly resolve: (message: unknown) => void
  readonly reject: (reason: Error) => void
}

/** When the thread ends, runs fail with `MODEL_LOST`: their rows must not become dead letters. */
export class ThreadRunner implements OpenedModel {
  readonly #label: string
  readonly #worker: Worker
  #buffer = new ArrayBuffer(0)
  #waiter: Waiter | null = null
  #isInRun = false
  #ended: string | null = null
  signature: Signature = { inputs: [], outputs: [] }
  placement?: Placement

  private constructor(label: string, data: ThreadData) {
    this.#label = label
    this.#worker = new Worker(builtEntry('scorer-thread'), {
      workerData: data,
      // Flags of the parent (a TypeScript loader, a debugger) are not for the thread.
      execArgv: [],
      // ONNX Runtime reads the process's environment, which a thread with a copy cannot change.
      env: SHARE_ENV,
    })
    this.#worker.on('message', (message) => this.#removeWaiter()?.resolve(message))
    this.#worker.on('error', (error) => this.#end(error.message))
    this.#worker.on('exit', (code) => this.#end(`exit code ${code}`))
  }

  /** @throws ModelRefused · Error when the thread cannot start */
  static async start(label: string, data: ThreadData): Promise<ThreadRunner> {
    const runner = new ThreadRunner(label, data)
    const ready = (await runner.#next()) as ThreadReady
    if ('refused' in ready) throw new ModelRefused(ready.refused)
    runner.signature = ready.signature
    runner.placement = ready.placement
    return runner
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

  /** Closes without waiting for a run in flight: the thread ends after it, if it ever does. */
  async close(): Promise<void> {
    if (this.#ended !== null) return
    this.#worker.postMessage({ type: 'close' } satisfies ThreadRequest)
    if (this.#isInRun) this.#worker.unref()
    else await once(this.#worker, 'exit')
  }

  async #ask<T>(request: ThreadRequest, transferred: readonly ArrayBuffer[]) {
    if (this.#ended !== null) throw this.#endedBy(this.#ended)
    this.#worker.postMessage(request, transferred)
    Atomics.add(inRun, 0, 1)
    this.#isInRun = true
    return (await this.#next()) as ThreadReply<T>
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  #removeWaiter(): Waiter | null {
    const waiter = this.#waiter
    this.#waiter = null
    if (this.#isInRun) Atomics.sub(inRun, 0, 1)
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

/** Threads of this process in a run. Meanwhile it cannot end, because Node waits for the run. */
export function threadsInRun(): number {
  return Atomics.load(inRun, 0)
}

/** Entries cannot run TypeScript: from source, it is the URL of the built file. */
export function builtEntry(name: string): URL {
  const folder = import.meta.url.endsWith('.ts') ? '../../dist/scoring/' : '../scoring/'
  return new URL(`${folder}${name}.js`, import.meta.url)
}

/** The longest that a timer can run, ms. */
const LONGEST_MS = 2 ** 31 - 1

interface RunLimit {
  /** ms; +Infinity: any time. */
  readonly ms: number
  /** Timers, one after the other: a time in which the event loop did not run counts as one. */
  readonly timers: number
}

/** Calls `over` unless the returned function is called in time. */
export function watchRun({ ms, timers }: RunLimit, over: () => void): () => void {
  if (ms === Number.POSITIVE_INFINITY) return () => {}
  const pieceMs = Math.min(ms / timers, LONGEST_MS)
  let left = timers
  let timer: NodeJS.Timeout
  let turn: NodeJS.Immediate | undefined
  const passed = () => {
    left--
    if (left > 0) timer = setTimeout(passed, pieceMs)
    // The answer may be there unread, because timers come first in a turn.
    else turn = setImmediate(over)
  }
  timer = setTimeout(passed, pieceMs)
  return () => {
    clearTimeout(timer)
    clearImmediate(turn)
  }
}

/** A run hangs after this time, ms, or this many latency budgets if that is longer. */
const HANGS_AFTER_MS = 30_000
const HANGS_AFTER_BUDGETS = 20
const TIMERS = 30
const HINT = 'nothing is lost; with a `fallback` in its score step, the worker goes on without it'

/** When a run does not return, all fail with `MODEL_LOST`: the worker must not wait for ever. */
export function watchedRunner(
  runner: Runner,
  { label, latencyBudgetMs }: { readonly label: string; readonly latencyBudgetMs: number },
): Runner {
  const ms = Math.max(HANGS_AFTER_MS, HANGS_AFTER_BUDGETS * latencyBudgetMs)
  let lost: TidemarkError | null = null
  const run = (rows: Float32Array, count: number) =>
    new Promise<Float64Array[]>((resolve, reject) => {
      if (lost !== null) return reject(lost)
      const returned = watchRun({ ms, timers: TIMERS }, () => {
        const message = `${label} hangs: a run has not returned for ${formatDuration(ms)}`
        lost = new TidemarkError('MODEL_LOST', message, { hint: HINT })
        reject(lost)
      })
      void runner.run(rows, count).then(resolve, reject).finally(returned)
    })
  return { run, close: () => runner.close() }
}
