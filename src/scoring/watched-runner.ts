import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import { watchRun } from './run-watch.ts'
import type { Runner } from './runner.ts'

/** A run that takes this long does not return, ms, nor one of this many latency budgets. */
const HANGS_AFTER_MS = 30_000
const HANGS_AFTER_BUDGETS = 20
const TIMERS = 30

/** Which model a {@link WatchedRunner} runs. */
export interface Watched {
  /** `name@version` for the reader. */
  readonly label: string
  readonly latencyBudgetMs: number
}

/**
 * Runs a model on another thread. When a run does not return, it fails, and all later ones do, with
 * `MODEL_LOST`: the worker must stop rather than wait for ever.
 */
export class WatchedRunner implements Runner {
  readonly #runner: Runner
  readonly #label: string
  readonly #mostMs: number
  #lost: TidemarkError | null = null

  constructor(runner: Runner, { label, latencyBudgetMs }: Watched) {
    this.#runner = runner
    this.#label = label
    this.#mostMs = Math.max(HANGS_AFTER_MS, HANGS_AFTER_BUDGETS * latencyBudgetMs)
  }

  run(rows: Float32Array, count: number): Promise<Float64Array[]> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== null) return reject(this.#lost)
      const returned = watchRun({ ms: this.#mostMs, timers: TIMERS }, () => {
        this.#lost = hangs(this.#label, this.#mostMs)
        reject(this.#lost)
      })
      void this.#runner.run(rows, count).then(resolve, reject).finally(returned)
    })
  }

  close(): Promise<void> {
    return this.#runner.close()
  }
}

function hangs(label: string, mostMs: number): TidemarkError {
  const message = `${label} hangs: a run has not returned for ${formatDuration(mostMs)}`
  return new TidemarkError('MODEL_LOST', message, { hint: HINT })
}

const HINT = 'nothing is lost; with a `fallback` in its score step, the worker goes on without it'
