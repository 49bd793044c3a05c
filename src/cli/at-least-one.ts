import { InvalidArgumentError } from 'commander'

/** A flag's whole number above 0. @throws InvalidArgumentError */
export function atLeastOne(text: string): number {
  const n = Number(text)
  if (!Number.isSafeInteger(n) || n < 1) throw new InvalidArgumentError('a whole number above 0')
  return n
}
