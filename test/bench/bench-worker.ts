import type { Ended, Running } from '../services/tidemark.ts'
import { type Usage, usageOf } from './process-usage.ts'

/** What the worker promises: exit within 30 s of SIGTERM. */
const STOP_WITHIN_MS = 35_000
/** Of what the worker wrote, how much is shown when it ends too early. */
const LAST_CHARACTERS = 2_000

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
