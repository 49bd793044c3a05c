import { InvalidArgumentError } from 'commander'

/** Parses a positive integer of the command line. */
export function wholeNumber(text: string): number {
  const n = Number(text)
  if (!Number.isSafeInteger(n) || n < 1) throw new InvalidArgumentError('a whole number above 0')
  return n
}

/** Parses `host:port,…`. */
export function brokerList(text: string): string[] {
  return text.split(',')
}
