import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { isWorkerName } from '../host/options.ts'
import { COMPRESSIONS, type Compression, compressionFault } from '../kernel/compression.ts'
import { messageOf } from '../kernel/errors.ts'
import { faultOfTokenUrl } from '../records/kafka/login/client-credentials.ts'
import { isExtension } from '../records/kafka/login/sasl-options.ts'

// Settings, and the parsers of their values. A parser throws an Error whose message says what is wrong
// with the value.

/** The raw text of a setting, from its flag, its environment variable or the config file. */
export interface RawSetting {
  /** One value, or several for a setting that can be repeated. */
  readonly values: readonly string[]
  /** What relative paths are relative to: the config file's folder, else the working directory. */
  readonly folder: string
}

/** A setting. `T` is the type of its value. */
export interface Setting<T> {
  /** Placeholder for the value in the help. `null`: a switch without a value. */
  readonly value: string | null
  /** Description for the help and docs/configuration.md. */
  readonly about: string
  /** Heading that it stands under, there and in the help. */
  readonly heading?: string
  /** The default, used when neither flag, environment nor config file has a value. */
  readonly fallback: T
  /** How the help describes the default, where its value alone does not say enough. */
  readonly fallbackText?: string
  /** The flag may be repeated; the environment variable is split at commas. */
  readonly many?: true
  /** A secret: not allowed on the command line, where others can see it, or in the config file. */
  readonly environmentOnly?: true
  /** @throws Error whose message says what is wrong with the value */
  parse(raw: RawSetting): T
}

/** The one value of a setting. */
export function single({ values }: RawSetting): string {
  const value = values[0] ?? ''
  if (values.length > 1) throw new Error(`takes one value, got ${values.length}`)
  if (value === '') throw new Error('is empty')
  return value
}

/** One of these words. */
export function oneOf<const T extends string>(raw: RawSetting, names: readonly T[]): T {
  const value = single(raw)
  const found = names.find((name) => name === value)
  if (found === undefined) throw new Error(`"${value}" is not ${listOf(names)}`)
  return found
}

/** `a, b or c` */
function listOf(names: readonly string[]): string {
  const others = names.slice(0, -1).join(', ')
  return others === '' ? names.join() : `${others} or ${names.at(-1)}`
}

/**
 * A whole number within a range.
 * @param unit how many units of the range are one of the setting, such as 1,000 ms for seconds
 */
export function numberOf(raw: RawSetting, range: { from: number; to: number }, unit = 1): number {
  const value = single(raw)
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
  const [from, to] = [range.from / unit, Math.floor(range.to / unit)]
  if (!(number >= from && number <= to)) {
    throw new Error(`"${value}" is not a whole number from ${from} to ${to}`)
  }
  return number
}

/** A compression that this version of Node has. */
export function compression(raw: RawSetting): Compression {
  const name = oneOf(raw, COMPRESSIONS)
  const fault = compressionFault(name)
  if (fault !== null) throw new Error(fault)
  return name
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** How much of the log windows are rebuilt from, ms. */
export function rebuild(raw: RawSetting): number {
  const value = single(raw)
  if (value === 'all') return Number.POSITIVE_INFINITY
  if (value === 'none') return 0
  const [, number = '', unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(value) ?? []
  if (number === '')
    throw new Error(`"${value}" is not all, none, or a duration such as 90m, 6h, 2d`)
  return Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS]
}

const MOST_WORKERS = 256

/** How many workers. */
export function workers(raw: RawSetting): number {
  const number = orWord(raw, 'auto', (g) => numberOf(g, { from: 1, to: MOST_WORKERS }))
  return number === 'auto' ? availableParallelism() : number
}

/** The name of a worker. */
export function workerName(raw: RawSetting): string {
  const name = single(raw)
  if (isWorkerName(name)) return name
  throw new Error(`"${name}" is not 1 to 100 letters, digits, ".", "_" and "-"`)
}

/** `host:port`. */
export function hostAndPort(text: string): string {
  const broker = text.trim()
  const port = Number(/^(?:[^\s:/]+|\[[\da-fA-F:]+\]):(\d{1,5})$/.exec(broker)?.[1] ?? 0)
  if (port < 1 || port > 65_535) throw new Error(`"${broker}" is not host:port`)
  return broker
}

/** The URL of a token endpoint. */
export function tokenUrl(raw: RawSetting): string {
  const text = single(raw)
  const fault = faultOfTokenUrl(text)
  if (fault !== null) throw new Error(fault)
  return text
}

/** The parsed value, or the word itself if that was given. */
export function orWord<T, const W extends string>(
  raw: RawSetting,
  word: W,
  parse: (raw: RawSetting) => T,
): T | W {
  if (single(raw) === word) return word
  try {
    return parse(raw)
  } catch (error) {
    throw new Error(`${messageOf(error)}, or ${word}`, { cause: error })
  }
}

/** Names and what each stands for, each as `name=value`. */
export function pairs(values: readonly string[], shape: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const value of values) {
    const at = value.indexOf('=')
    const [name, to] = [value.slice(0, at).trim(), value.slice(at + 1).trim()]
    if (at < 1 || name === '' || to === '') throw new Error(`"${value}" is not ${shape}`)
    if (found.has(name)) throw new Error(`"${name}" is given twice`)
    found.set(name, to)
  }
  return found
}

/** SASL extensions by name. */
export function saslExtensions({ values }: RawSetting): Map<string, string> {
  const extensions = pairs(values, 'name=value')
  for (const [name, value] of extensions) {
    if (!isExtension(name, value)) throw new Error(`"${name}" is not letters with a value in ASCII`)
  }
  return extensions
}

/** The URL of a schema registry, without credentials. */
export function registryUrl(raw: RawSetting): string {
  const text = single(raw)
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    // It may contain a password.
    throw new Error('is not an http or https URL')
  }
  if (url.username !== '' || url.password !== '') {
    throw new Error(
      'contains credentials: give them in TIDEMARK_REGISTRY_USERNAME and TIDEMARK_REGISTRY_PASSWORD',
    )
  }
  return text
}

/** The path of a file that is read later. */
export function readableFile(raw: RawSetting): string {
  textOf(raw)
  return pathOf(raw)
}

function pathOf(raw: RawSetting): string {
  return resolve(raw.folder, single(raw))
}

/** The content of a file. */
export function textOf(raw: RawSetting): string {
  const file = pathOf(raw)
  try {
    return textOfFile(file)
  } catch (error) {
    throw new Error(`cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}

/** The text of a file, without the byte order mark that Windows programs write at the start. */
export function textOfFile(path: string): string {
  return new TextDecoder().decode(readFileSync(path))
}

/** A setting, of the type of its value. */
export function setting<T>(s: Setting<T>): Setting<T> {
  return s
}

/** Settings with the heading that they stand under. */
export function group<S extends Record<string, Setting<unknown>>>(heading: string, settings: S): S {
  const entries = Object.entries(settings)
  return Object.fromEntries(entries.map(([name, s]) => [name, { ...s, heading }])) as S
}

/** A setting whose value is a file in PEM. */
export function pemFile(about: string, fallbackText?: string): Setting<string | null> {
  const text = fallbackText === undefined ? {} : { fallbackText }
  return { value: '<file>', about: `${about} (PEM)`, fallback: null, ...text, parse: textOf }
}
