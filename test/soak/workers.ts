import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BenchWorker } from '../bench/bench-worker.ts'
import { type Running, startTidemark } from '../services/tidemark.ts'
import type { MemorySample } from './memory.ts'

const SAMPLE_EVERY_MS = 1_000

/** From a worker's start to its end. */
interface Life {
  readonly name: string
  readonly startMs: number
  readonly running: Running
  readonly worker: BenchWorker
  isEnding: boolean
}

export interface WorkersOptions {
  readonly names: readonly string[]
  /** What the worker of that name is started with. */
  readonly argumentsOf: (name: string) => readonly string[]
  /** Where their logs go, a file for each life. */
  readonly folder: string
}

/** Workers in processes of their own, of which each is started again when it ends. */
export class Workers {
  readonly memory: MemorySample[] = []
  /** How workers ended that nobody had told to. */
  readonly surprises: string[] = []
  readonly #options: WorkersOptions
  readonly #startMs = performance.now()
  readonly #living = new Map<string, Life>()
  readonly #sampling: NodeJS.Timeout
  #lives = 0
  #isOver = false

  constructor(options: WorkersOptions) {
    this.#options = options
    for (const name of options.names) this.#start(name)
    this.#sampling = setInterval(() => this.#sample(), SAMPLE_EVERY_MS)
  }

  /** Resolves when all have their partitions. */
  async ready(): Promise<void> {
    await Promise.all([...this.#living.values()].map(({ worker }) => worker.ready()))
  }

  /** Ends one of them as `kill -9` does; its name. */
  killAny(): string {
    const lives = [...this.#living.values()]
    const life = lives[Math.floor(Math.random() * lives.length)] as Life
    life.isEnding = true
    life.running.process.kill('SIGKILL')
    return life.name
  }

  /** Ends all in order. What does not exit with 0 is a surprise. */
  async stop(): Promise<void> {
    this.#isOver = true
    clearInterval(this.#sampling)
    const lives = [...this.#living.values()]
    for (const life of lives) life.isEnding = true
    const exits = await Promise.all(lives.map(({ worker }) => worker.stop()))
    for (const [i, exit] of exits.entries()) {
      if (exit !== 0) this.surprises.push(`${lives[i]?.name} was told to stop: ${exit}`)
    }
  }

  #start(name: string): void {
    const running = startTidemark(this.#options.argumentsOf(name))
    const startMs = performance.now()
    const life: Life = { name, startMs, running, worker: new BenchWorker(running), isEnding: false }
    const file = `${name}-${String(++this.#lives).padStart(3, '0')}.log`
    this.#living.set(name, life)
    void this.#follow(life, file)
  }

  /** To its end, and to the next life of that name. */
  async #follow(life: Life, file: string): Promise<void> {
    const { code, signal, stderr } = await life.running.ended
    writeFileSync(join(this.#options.folder, file), stderr)
    const { name } = life
    if (!life.isEnding) {
      const why = /✗ (.*)/.exec(stderr)?.[1] ?? 'without a reason'
      this.surprises.push(`${name} ended by itself: ${code ?? signal}, ${why} (${file})`)
    }
    if (!this.#isOver) this.#start(name)
  }

  #sample(): void {
    const nowMs = performance.now()
    for (const { startMs, worker } of this.#living.values()) {
      const { rssBytes = Number.NaN } = worker.usage() ?? {}
      // One that has just ended holds nothing.
      if (Number.isNaN(rssBytes)) continue
      this.memory.push({ atMs: nowMs - this.#startMs, uptimeMs: nowMs - startMs, rssBytes })
    }
  }
}
