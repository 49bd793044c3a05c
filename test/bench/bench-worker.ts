import type { Ended, Running } from '../services/tidemark.ts'
import { type Usage, usageOf } from './process-usage.ts'

const PROFILER = new URL('profiler.mjs', import.meta.url).href

/** What the worker promises: exit within 30 s of SIGTERM. */
const STOP_WITHIN_MS = 35_000
/** Of what the worker wrote, how much is shown when it ends too early. */
const LAST_CHARACTERS = 2_000

/**
 * The environment of a worker whose main thread can be profiled into a file; see {@link
 * BenchWorker.toggleProfile}.
 */
export function profiledInto(file: string): Record<string, string> {
  const options = process.env['NODE_OPTIONS'] ?? ''
  return { NODE_OPTIONS: `${options} --import ${PROFILER}`.trimStart(), BENCH_PROFILE: file }
}

/** The worker that is measured: `tidemark run` in a process of its own. */
export class BenchWorker {
  readonly #running: Running
  #exit: Promise<number | string> | null = null

  constructor(running: Running) {
    this.#running = running
  }

  /** Resolves when partitions are assigned. */
  async ready(): Promise<void> {
    await this.#running.says('worker is running')
  }

  /** `null`: not measured here. */
  usage(): Usage | null {
    return usageOf(this.#running.process.pid as number)
  }

  /**
   * Begins its profile, and when called again writes it: once, and where it was started for that.
   */
  toggleProfile(): void {
    this.#running.process.kill('SIGUSR2')
  }

  /** Waits for work that needs the worker. @throws Error when the worker ends before */
  async during<R>(work: Promise<R>): Promise<R> {
    const ended = this.#running.ended.then(({ code, signal, stderr }): never => {
      throw new Error(`the worker ended (${code ?? signal}):\n${stderr.slice(-LAST_CHARACTERS)}`)
    })
    return Promise.race([work, ended])
  }

  /** Ends it with `kill -9`. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#running.process.kill('SIGKILL')
    await this.#running.ended
  }

  /** Sends SIGTERM, in the end SIGKILL. The exit code, or the signal that ended it. */
  stop(): Promise<number | string> {
    this.#exit ??= this.#stop()
    return this.#exit
  }

  async #stop(): Promise<number | string> {
    const { process: child, ended } = this.#running
    child.kill('SIGTERM')
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
    const { code, signal }: Ended = await ended
    clearTimeout(kill)
    return code ?? signal ?? 'unknown'
  }
}
