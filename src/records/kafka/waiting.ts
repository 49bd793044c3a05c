import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { isSettling } from './errors.ts'

// Time limits for waiting for a broker.

interface Limit {
  readonly ms: number
  /** What is being done, for the error message. */
  readonly doing: string
  readonly clock: Clock
}

/**
 * Returns the outcome of the work, unless it takes too long.
 * @throws TidemarkError `BROKER_UNAVAILABLE` when it does
 */
export async function within<T>({ ms, doing, clock }: Limit, work: Promise<T>): Promise<T> {
  let cancel = () => {}
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(ms, () => {
      reject(new TidemarkError('BROKER_UNAVAILABLE', `${doing} took longer than ${ms} ms`))
    })
  })
  try {
    return await Promise.race([work, late])
  } finally {
    cancel()
    // The work may still fail after the deadline, when nothing awaits it any more.
    work.catch(() => {})
  }
}

/** Repeats a request, at most 50 times, while a leader or a coordinator is still being elected. */
export async function whenSettled<T>(question: () => Promise<T>, clock: Clock): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await question()
    } catch (error) {
      if (attempt === 50 || !isSettling(error)) throw error
      await clock.sleep(100)
    }
  }
}
