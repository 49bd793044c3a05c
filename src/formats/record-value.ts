import { TidemarkError } from '../kernel/errors.ts'
import type { RawRecord } from './format.ts'

/**
 * The value of a record that has a value and a key.
 * @throws TidemarkError one that makes the record a dead letter, the first of: `TOMBSTONE` ·
 * `NULL_KEY` · `RECORD_TOO_LARGE`: it has more than `maxBytes`
 */
export function valueOf(
  { key, value }: Pick<RawRecord, 'key' | 'value'>,
  maxBytes: number,
): Buffer {
  if (value === null) throw tombstone()
  if (key === null) throw nullKey()
  if (value.length > maxBytes) {
    const sizes = `the value has ${value.length} bytes, the maximum is ${maxBytes}`
    throw new TidemarkError('RECORD_TOO_LARGE', sizes)
  }
  return value
}

/** A record without a value, where it is to have one. */
export function tombstone(): TidemarkError {
  return new TidemarkError('TOMBSTONE', 'the record has no value: a tombstone')
}

/** A record without a key. */
export function nullKey(): TidemarkError {
  return new TidemarkError('NULL_KEY', 'the record has no key')
}
