import { InvalidArgumentError, Option } from 'commander'
import type { Header } from '../connect/port.ts'
import { NO_NAME } from '../host/worker-name.ts'
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

/**
 * The value at a path such as `score.probability` in parsed JSON; `undefined`: there is none. A field
 * that is named as the whole path goes first.
 */
export function valueAt(json: unknown, path: string): unknown {
  let at = json
  const isName = typeof json === 'object' && json !== null && Object.hasOwn(json, path)
  for (const name of isName ? [path] : path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[name]
  }
  return at
}

/** The name of one of several workers, `<name>-<worker>`. @param worker its number, from 1 */
export function numberedName(name: string, worker: number): string {
  return name === NO_NAME ? name : `${name}-${worker}`
}

/** `4: scorer-1 to scorer-4`; only the number if the names are not known in advance. */
export function numberedNames(name: string | null, workers: number): string {
  if (name === null) return String(workers)
  if (name === NO_NAME) return `${workers}, without names`
  return `${workers}: ${numberedName(name, 1)} to ${numberedName(name, workers)}`
}
