import { setTimeout as sleep } from 'node:timers/promises'
import { TidemarkError } from '../../kernel/errors.ts'
import { isSettling } from './errors.ts'

// How long a broker is waited for.

/** The outcome of the work, unless it takes longer than `ms`. @throws TidemarkError `BROKER_UNAVAILABLE` when it does */
export async function within<T>(ms: number, doing: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new TidemarkError('BROKER_UNAVAILABLE', `${doing} took longer than ${ms} ms`))
    }, ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
    // The work may still fail after the deadline; nobody waits for it then.
    work.catch(() => {})
  }
}

/** Asks again, 50 times at most, while the broker says that a leader or a coordinator is only about to be one. */
export async function whenSettled<T>(question: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await question()
    } catch (error) {
      if (attempt === 50 || !isSettling(error)) throw error
      await sleep(100)
    }
  }
}
