import { TidemarkError } from '../../src/kernel/errors.ts'

/**
 * The TidemarkError that `work` rejects with. @throws any other error, and Error when it does not
 * reject
 */
export async function thrownBy(work: Promise<unknown>): Promise<TidemarkError> {
  try {
    await work
  } catch (error) {
    if (error instanceof TidemarkError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** The TidemarkError that `work` throws. @throws as {@link thrownBy} */
export function thrownIn(work: () => unknown): TidemarkError {
  try {
    work()
  } catch (error) {
    if (error instanceof TidemarkError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
