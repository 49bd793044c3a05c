import { TidemarkError } from '../../../kernel/errors.ts'

// Errors from within a batch. `RecordSet` adds where the batch lies.

/** An error for a batch that cannot be decoded. */
export function corrupt(what: string, cause?: unknown): TidemarkError {
  return new TidemarkError('BATCH_CORRUPT', what, { cause })
}

/** An error for a batch that unpacks to more than is allowed. */
export function unpacksTooLarge(maxBytes: number): TidemarkError {
  return new TidemarkError('BATCH_TOO_LARGE', `the batch unpacks to more than ${maxBytes} bytes`, {
    hint: 'have its producer write smaller batches (batch.size)',
  })
}
