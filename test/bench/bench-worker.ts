import type { Ended, Running } from '../services/tidemark.ts'
import { type Usage, usageOf } from './process-usage.ts'

const PROFILER = new URL('profiler.mjs', import.meta.url).href

/** More than the 30 s after SIGTERM within which a worker exits. */
const STOP_WITHIN_MS = 35_000
/** How much of the worker's stderr is shown when it ends too early. */
const LAST_CHARACTERS = 2_000

/** The environment of a worker that can be profiled; see {@link BenchWorker.toggleProfile}. */
export function profiledInto(file: string): Record<string, string> {
  const options = process.env['NODE_OPTIONS'] ?? ''
  return { NODE_OPTIONS: `${options} --import ${PROFILER}`.trimStart(), BENCH_PROFILE: file }
}

/** The measured worker: `tidemark run` in a separate process. */
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

  /** `null` where it cannot be measured. */
  usage(): Usage | null {
    return usageOf(this.#running.process.pid as number)
  }

  /**
   * Starts the profile; the second call writes it. Works once, for a worker that was started with
   * {@link profiledInto}.
   */
  toggleProfile(): void {
    this.#running.process.kill('SIGUSR2')
  }

  /** Waits for work that needs the worker. @throws Error when the worker ends before that */
  async during<R>(work: Promise<R>): Promise<R> {
    const ended = this.#running.ended.then(({ code, signal, stderr }): never => {
      throw new Error(`the worker ended (${code ?? signal}):\n${stderr.slice(-LAST_CHARACTERS)}`)
    })
    return Promise.race([work, ended])
  }

  /** Kills it with `kill -9`. Resolves when it has ended. */
  async kill(): Promise<void> {
    this.#running.process.kill('SIGKILL')
    await this.#running.ended
  }

  /** Sends SIGTERM, and finally SIGKILL. Returns the exit code, or the signal that ended it. */
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
