import type { TaskSurroundings } from '../runtime/task-surroundings.ts'
import { TidemarkError } from './errors.ts'
import { Backoff, type BackoffRange } from './random.ts'

/** How something is tried until it succeeds. */
interface Trying {
  readonly waits: BackoffRange
  /** Does the error pass by itself? */
  readonly passes: (error: TidemarkError) => boolean
  /** Called with the reason when the first attempt has failed, with `null` once one succeeds. */
  readonly tell: (reason: string | null) => void
}

/** Tries again what will succeed some time, while its partition waits. */
export class Patience {
  readonly #around: Pick<TaskSurroundings, 'clock' | 'random'>
  readonly #over = new AbortController()
  #heldUp = 0

  constructor(around: Pick<TaskSurroundings, 'clock' | 'random'>) {
    this.#around = around
  }

  /** Has something failed that is tried again now? */
  get isHeldUp(): boolean {
    return this.#heldUp > 0
  }

  /**
   * @returns `null`: the partition was lost meanwhile
   * @throws what `attempt` throws, if it does not pass
   */
  async until<R>(attempt: () => Promise<R>, { waits, passes, tell }: Trying): Promise<R | null> {
    const { clock, random } = this.#around
    const backoff = new Backoff(waits, random)
    for (let hasFailed = false; ; hasFailed = true) {
      try {
        const result = await attempt()
        if (hasFailed) {
          this.#heldUp--
          tell(null)
        }
        return result
      } catch (error) {
        if (!(error instanceof TidemarkError && passes(error))) throw error
        if (!hasFailed) {
          this.#heldUp++
          tell(error.message)
        }
      }
      await clock.sleep(backoff.nextMs(), this.#over.signal)
      if (this.#over.signal.aborted) return null
    }
  }

  /** The partition is lost: stops trying. */
  stop(): void {
    this.#over.abort()
  }
}
