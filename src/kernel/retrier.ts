import type { Clock } from './clock.ts'
import { TidemarkError } from './errors.ts'
import { Backoff, type BackoffRange, type Random } from './random.ts'

/** How something is tried until it succeeds. */
export interface Trying<R> {
  readonly attempt: () => R | Promise<R>
  /** The first attempt, if it has begun. */
  readonly begun?: Promise<R>
  readonly waits: BackoffRange
  /** Called with the reason when the first attempt has failed, with `null` once one succeeds. */
  readonly tell: (reason: string | null) => void
}

/** Retries attempts that will succeed some time, until it is stopped. */
export class Retrier {
  readonly #context: { readonly clock: Clock; readonly random: Random }
  readonly #stopped = new AbortController()
  #heldUp = 0

  constructor(context: { readonly clock: Clock; readonly random: Random }) {
    this.#context = context
  }

  /** Whether something has failed that is tried again now. */
  get isHeldUp(): boolean {
    return this.#heldUp > 0
  }

  /**
   * @returns `null`: it was stopped meanwhile
   * @throws the error of `attempt`, unless its action is to try again
   */
  async until<R>({ attempt, begun, waits, tell }: Trying<R>): Promise<R | null> {
    const { clock, random } = this.#context
    const backoff = new Backoff(waits, random)
    for (let hasFailed = false; ; hasFailed = true) {
      try {
        const result = await (hasFailed ? attempt() : (begun ?? attempt()))
        if (hasFailed) {
          this.#heldUp--
          tell(null)
        }
        return result
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.action !== 'retry') throw error
        if (!hasFailed) {
          this.#heldUp++
          tell(error.message)
        }
      }
      await clock.sleep(backoff.nextMs(), this.#stopped.signal)
      if (this.#stopped.signal.aborted) return null
    }
  }

  stop(): void {
    this.#stopped.abort()
  }
}
