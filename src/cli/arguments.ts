import { InvalidArgumentError, Option } from 'commander'
import type { Header } from '../connect/port.ts'
import { messageOf } from '../kernel/errors.ts'
import { pairsOf } from '../kernel/setting.ts'

/** A parser of numbers. @param domain the valid numbers, in words */
export function numberParser(
  domain: string,
  isValid: (n: number) => boolean,
): (text: string) => number {
  return (text) => {
    const n = text.trim() === '' ? Number.NaN : Number(text)
    if (isValid(n)) return n
    throw new InvalidArgumentError(`must be ${domain}`)
  }
}

const isCount = (n: number) => Number.isSafeInteger(n) && n > 0
export const parseCount = numberParser('a whole number above 0', isCount)

/** `--header name=value`: a header of every record that a command writes; may be repeated. */
export function headerOption(): Option {
  return new Option('--header <name=value>', 'header of every record; may be repeated')
    .argParser((text, before: readonly Header[]) => [...before, headerOf(text)])
    .default([], 'none')
}

/** Option `--partitions` of commands that run without Kafka, by default as a small real topic has. */
export function partitionsOption(): Option {
  const note = 'each has its own watermark, so their number affects what is late'
  return new Option('--partitions <n>', `partitions of the source; ${note}`)
    .argParser(parseCount)
    .default(6)
}

/** A parser of `name=file`, which may be repeated. */
export function addPair(text: string, before: ReadonlyMap<string, string> | undefined) {
  try {
    return pairsOf([...[...(before ?? [])].map((pair) => pair.join('=')), text], 'name=file')
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error))
  }
}

function headerOf(text: string): Header {
  const end = text.indexOf('=')
  if (end < 1) throw new InvalidArgumentError('must be a name, an equals sign and a value')
  return { name: text.slice(0, end), value: Buffer.from(text.slice(end + 1)) }
}
