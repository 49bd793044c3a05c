import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { isSettling } from './errors.ts'

// How long a broker is waited for.

interface Limit {
  readonly ms: number
  /** What takes longer, for the message. */
  readonly doing: string
  readonly clock: Clock
}

/**
 * The outcome of the work, unless it takes longer. @throws TidemarkError `BROKER_UNAVAILABLE` when
 * it does
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
    // The work may still fail after the deadline; nobody waits for it then.
    work.catch(() => {})
  }
}

/**
 * Asks again, 50 times at most, while the broker says that a leader or a coordinator is only about
 * to be one.
 */
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
