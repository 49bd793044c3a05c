import { TidemarkError } from '../../kernel/errors.ts'

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
