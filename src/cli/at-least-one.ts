import { InvalidArgumentError } from 'commander'

/** Parses a flag's whole number above 0. @throws InvalidArgumentError */
export function atLeastOne(text: string): number {
  const n = Number(text)
  if (!Number.isSafeInteger(n) || n < 1)
    throw new InvalidArgumentError('must be a whole number above 0')
  return n
}
