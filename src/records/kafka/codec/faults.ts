import { TidemarkError } from '../../../kernel/errors.ts'

// Thrown from within a batch; decodeRecords adds where it lies.

export function corrupt(what: string, cause?: unknown): TidemarkError {
  return new TidemarkError('BATCH_CORRUPT', what, { cause })
}

export function unpacksTooLarge(maxBytes: number): TidemarkError {
  return new TidemarkError('BATCH_TOO_LARGE', `the batch unpacks to more than ${maxBytes} bytes`, {
    hint: 'have its producer write smaller batches (batch.size)',
  })
}
