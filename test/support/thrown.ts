import { TidemarkError } from '../../src/kernel/errors.ts'

/**
 * The error that some work fails with. @throws what is no TidemarkError, and when nothing is thrown
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
