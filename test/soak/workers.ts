import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BenchWorker } from '../bench/bench-worker.ts'
import { type Running, startTidemark } from '../services/tidemark.ts'
import type { MemorySample } from './memory.ts'

const SAMPLE_EVERY_MS = 1_000

/** One process of a worker. */
interface Life {
  readonly name: string
  readonly startMs: number
  readonly running: Running
  readonly worker: BenchWorker
  isEnding: boolean
}

/** How workers are started. */
export interface WorkersOptions {
  readonly names: readonly string[]
  /** Command-line arguments of the worker of that name. */
  readonly argumentsOf: (name: string) => readonly string[]
  /** Modules that the worker of that name preloads. */
  readonly preloadsOf: (name: string) => readonly string[]
  /** The checkout that the next process of that name runs; `undefined`: this one. */
  readonly rootOf: (name: string) => string | undefined
  /** Folder of their logs, one file for each process. */
  readonly folder: string
}

/** Workers in separate processes. Each is started again when it ends. */
export class Workers {
  readonly memory: MemorySample[] = []
  /** Unexpected ends of workers, as text. */
  readonly surprises: string[] = []
  readonly #options: WorkersOptions
  readonly #startMs = performance.now()
  readonly #living = new Map<string, Life>()
  /** Names of the workers that are started again when they end. */
  readonly #wanted = new Set<string>()
  readonly #sampling: NodeJS.Timeout
  #lives = 0

  constructor(options: WorkersOptions) {
    this.#options = options
    for (const name of options.names) this.add(name)
    this.#sampling = setInterval(() => this.#sample(), SAMPLE_EVERY_MS)
  }

  get names(): readonly string[] {
    return [...this.#wanted]
  }

  /** Resolves when all have joined the group. */
  async ready(): Promise<void> {
    await Promise.all([...this.#living.values()].map(({ worker }) => worker.ready()))
  }

  /** The stderr of a worker's current process. */
  log(name: string): string {
    return this.#life(name).running.stderr()
  }

  /** Sends a signal that the process survives. */
  signal(name: string, signal: NodeJS.Signals): void {
    this.#life(name).running.process.kill(signal)
  }

  /** Kills a worker as `kill -9` does. Resolves when its next process has joined the group. */
  async kill(name: string): Promise<void> {
    const life = this.#life(name)
    life.isEnding = true
    life.running.process.kill('SIGKILL')
    await life.running.ended
    await this.#life(name).worker.ready()
  }

  /** Stops a worker gracefully. Resolves when its next process has joined the group. */
  async restart(name: string): Promise<void> {
    await this.#stop(this.#life(name))
    await this.#life(name).worker.ready()
  }

  /** Starts another worker. */
  add(name: string): void {
    this.#wanted.add(name)
    this.#start(name)
  }

  /** Stops a worker gracefully and does not start it again. */
  async remove(name: string): Promise<void> {
    this.#wanted.delete(name)
    await this.#stop(this.#life(name))
  }

  /** Stops all workers gracefully. An exit code other than 0 is a surprise. */
  async stop(): Promise<void> {
    clearInterval(this.#sampling)
    this.#wanted.clear()
    await Promise.all([...this.#living.values()].map((life) => this.#stop(life)))
  }

  #life(name: string): Life {
    const life = this.#living.get(name)
    if (life === undefined) throw new RangeError(`there is no worker ${name}`)
    return life
  }

  async #stop(life: Life): Promise<void> {
    life.isEnding = true
    const exit = await life.worker.stop()
    // If a slow broker prevents a commit in time, the work is left to the next owner.
    const isLeft = exit === 1 && life.running.stderr().includes('STOP_TIMED_OUT')
    if (exit !== 0 && !isLeft)
      this.surprises.push(`${life.name} was asked to stop and exited with ${exit}`)
  }

  #start(name: string): void {
    const preloads = this.#options.preloadsOf(name).map((file) => `--import=${file}`)
    const env = { NODE_OPTIONS: [process.env['NODE_OPTIONS'] ?? '', ...preloads].join(' ') }
    const root = this.#options.rootOf(name)
    const running = startTidemark(this.#options.argumentsOf(name), { env, ...(root && { root }) })
    const startMs = performance.now()
    const life: Life = { name, startMs, running, worker: new BenchWorker(running), isEnding: false }
    const file = `${name}-${String(++this.#lives).padStart(3, '0')}.log`
    this.#living.set(name, life)
    // Registered first, so that others who wait for its end find the next process.
    void this.#follow(life, file)
  }

  async #follow(life: Life, file: string): Promise<void> {
    const { code, signal, stderr } = await life.running.ended
    const { name } = life
    writeFileSync(join(this.#options.folder, file), stderr)
    if (!life.isEnding) {
      const why = /✗ (.*)/.exec(stderr)?.[1] ?? 'without a reason'
      this.surprises.push(`${name} ended unexpectedly: ${code ?? signal}, ${why} (${file})`)
    }
    this.#living.delete(name)
    if (this.#wanted.has(name)) this.#start(name)
  }

  #sample(): void {
    const nowMs = performance.now()
    for (const { startMs, worker } of this.#living.values()) {
      const { rssBytes = Number.NaN } = worker.usage() ?? {}
      // A process that has just ended has no memory.
      if (Number.isNaN(rssBytes)) continue
      this.memory.push({ atMs: nowMs - this.#startMs, uptimeMs: nowMs - startMs, rssBytes })
    }
  }
}
