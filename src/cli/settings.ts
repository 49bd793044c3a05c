import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { DEFAULTS, isWorkerName, RANGES } from '../host/options.ts'
import { messageOf } from '../kernel/errors.ts'
import type { LogFormat } from '../observe/log.ts'
import type { From, Guarantee } from '../records/port.ts'

// Every setting, once: its flag, its environment variable, its key in the config file and its help
// follow from this table. `httpPort` is `--http-port`, `TIDEMARK_HTTP_PORT` and `"httpPort"`.

/** What one origin gave. */
export interface Given {
  /** One value, or several of a setting that can be repeated. */
  readonly values: readonly string[]
  /** Where relative files start: the config file's folder, else the working directory. */
  readonly folder: string
}

export interface Setting<T> {
  /** What follows the flag. `null`: a switch. */
  readonly takes: string | null
  readonly about: string
  /** In force when no origin gives a value. */
  readonly fallback: T
  /** How the help names the fallback, where its value alone would not tell. */
  readonly fallbackText?: string
  /** The flag may be repeated; the environment variable is cut at commas. */
  readonly many?: true
  /** Not for a command line that others can read, nor for a file in a repository. */
  readonly environmentOnly?: true
  /** @throws Error whose message says what is wrong with the value */
  parse(given: Given): T
}

/** Bytes. */
export const MEGABYTE = 1_000_000
/** ms */
export const SECOND = 1_000

export type SaslMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512'
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export const SETTINGS = {
  brokers: setting<readonly string[]>({
    takes: '<host:port,…>',
    about: 'Kafka brokers to ask first',
    fallback: DEFAULTS.brokers,
    fallbackText: DEFAULTS.brokers.join(','),
    many: true,
    parse: ({ values }) => values.flatMap((v) => v.split(',')).map(hostAndPort),
  }),
  group: setting<string | null>({
    takes: '<name>',
    about: 'consumer group; workers of one group share the partitions',
    fallback: null,
    fallbackText: "the topologies' names",
    parse: one,
  }),
  guarantee: setting<Guarantee>({
    takes: '<name>',
    about: 'exactly-once, or at-least-once: quicker, but after a crash some outputs appear twice',
    fallback: DEFAULTS.guarantee,
    parse: (given) => oneOf(given, ['exactly-once', 'at-least-once']),
  }),
  commitInterval: setting<number | null>({
    takes: '<ms>',
    about: 'from one commit to the next; with exactly-once outputs are seen that much later',
    fallback: null,
    fallbackText: '10, with much load up to 250; with at-least-once 3 to 100',
    parse: (given) => numberOf(given, RANGES.commitIntervalMs),
  }),
  maxCommitMb: setting<number>({
    takes: '<megabytes>',
    about: 'the most that one commit writes; less where that takes more than a few seconds',
    fallback: DEFAULTS.maxCommitBytes / MEGABYTE,
    parse: (given) => numberOf(given, RANGES.maxCommitBytes, MEGABYTE),
  }),
  maxInFlightMb: setting<number>({
    takes: '<megabytes>',
    about: 'memory of each worker for records, outputs and dead letters on their way to a commit',
    fallback: DEFAULTS.maxInFlightBytes / MEGABYTE,
    parse: (given) => numberOf(given, RANGES.maxInFlightBytes, MEGABYTE),
  }),
  deadLetterBreaker: setting<number | null>({
    takes: '<percent|off>',
    about:
      'when more than that of the last 1,000 records of a partition are dead letters, it goes on at 100 a second',
    fallback: null,
    fallbackText: 'off',
    parse: (given) =>
      one(given) === 'off' ? null : numberOf(given, RANGES.deadLetterBreakerPercent),
  }),
  workers: setting<number>({
    takes: '<number|auto>',
    about:
      'workers to run, each in a process of its own; auto: as many as there are processors that this process may use',
    fallback: 1,
    parse: workers,
  }),
  workerName: setting<string | null>({
    takes: '<name>',
    about:
      'its own in its group, kept over restarts, so that it has its partitions back at once after a crash; of several workers each adds its number, <name>-1; none: they wait for the session time-out',
    fallback: null,
    fallbackText: '<host>-<first number that is free there>',
    parse: workerName,
  }),
  from: setting<From>({
    takes: '<earliest|latest>',
    about: 'where a group that has committed nothing begins',
    fallback: DEFAULTS.from,
    parse: (given) => oneOf(given, ['earliest', 'latest']),
  }),
  rebuild: setting<number>({
    takes: '<all|none|duration>',
    about:
      'how much of the log to rebuild windows from where no note stands beside the offset, such as after a reset: all, 6h, none',
    fallback: DEFAULTS.rebuildMs,
    fallbackText: 'all',
    parse: rebuild,
  }),
  sessionTimeout: setting<number>({
    takes: '<seconds>',
    about: 'a worker that the group has not heard of for so long is replaced',
    fallback: DEFAULTS.sessionTimeoutMs / SECOND,
    parse: (given) => numberOf(given, RANGES.sessionTimeoutMs, SECOND),
  }),
  maxKeys: setting<number | null>({
    takes: '<number>',
    about:
      'keys, and as many texts, that the windows of each worker may hold; more are dead letters STATE_LIMIT',
    fallback: null,
    fallbackText: "what half of Node's heap holds",
    parse: (given) => numberOf(given, RANGES.maxKeys),
  }),
  maxStateMb: setting<number | null>({
    takes: '<megabytes>',
    about: 'memory that the windows of each worker may take',
    fallback: null,
    fallbackText: 'half of the memory, shared out among the workers',
    parse: (given) => numberOf(given, RANGES.maxStateBytes, MEGABYTE),
  }),
  topic: setting<ReadonlyMap<string, string>>({
    takes: '<logical=actual>',
    about: "the topic to use for a topology's name of it; repeatable",
    fallback: new Map(),
    fallbackText: 'as named',
    many: true,
    parse: ({ values }) => pairs(values, 'logical=actual'),
  }),
  model: setting<ReadonlyMap<string, string>>({
    takes: '<name=file>',
    about: 'the ONNX file to use for a model; repeatable',
    fallback: new Map(),
    fallbackText: 'as declared',
    many: true,
    parse: ({ values, folder }) =>
      new Map([...pairs(values, 'name=file')].map(([name, file]) => [name, resolve(folder, file)])),
  }),
  tls: setting<boolean>({
    takes: null,
    about: 'speak TLS to the brokers',
    fallback: false,
    parse: (given) => oneOf(given, ['true', 'false']) === 'true',
  }),
  tlsCa: pemFile("certificates that the brokers' are checked against", "the system's"),
  tlsCert: pemFile('own certificate, for brokers that ask for one'),
  tlsKey: pemFile('key of the own certificate'),
  saslMechanism: setting<SaslMechanism | null>({
    takes: '<name>',
    about: 'plain (over TLS only), scram-sha-256 or scram-sha-512',
    fallback: null,
    fallbackText: 'no login',
    parse: (given) => oneOf(given, ['plain', 'scram-sha-256', 'scram-sha-512']),
  }),
  saslUsername: setting<string | null>({
    takes: '<name>',
    about: 'user to log in as',
    fallback: null,
    parse: one,
  }),
  saslPassword: setting<string | null>({
    takes: '<password>',
    about: 'password of the user',
    fallback: null,
    environmentOnly: true,
    parse: one,
  }),
  saslPasswordFile: setting<string | null>({
    takes: '<file>',
    about: 'file with the password; else TIDEMARK_SASL_PASSWORD',
    fallback: null,
    parse: (given) => textOf(given).trimEnd(),
  }),
  httpPort: setting<number | 'off'>({
    takes: '<port>',
    about: 'port of /metrics, /livez and /readyz; 0 takes a free one, off serves none',
    fallback: 9464,
    parse: (given) => orWord(given, 'off', (g) => numberOf(g, { from: 0, to: 65_535 })),
  }),
  httpHost: setting<string>({
    takes: '<address>',
    about: 'address to serve them on',
    fallback: '127.0.0.1',
    parse: one,
  }),
  logFormat: setting<LogFormat>({
    takes: '<name>',
    about: 'text or json',
    fallback: process.stderr.isTTY ? 'text' : 'json',
    fallbackText: 'text on a terminal, else json',
    parse: (given) => oneOf(given, ['text', 'json']),
  }),
  logLevel: setting<LogLevel>({
    takes: '<name>',
    about: 'debug, info, warn or error',
    fallback: 'info',
    parse: (given) => oneOf(given, ['debug', 'info', 'warn', 'error']),
  }),
  statusInterval: setting<number | 'off'>({
    takes: '<seconds>',
    about: 'how often the log says how the worker gets on: rates, lag, watermark, delay; or off',
    fallback: DEFAULTS.statusEveryMs / SECOND,
    parse: (given) =>
      given.values[0] === 'off' ? 'off' : numberOf(given, RANGES.statusEveryMs, SECOND),
  }),
  evaluator: setting<'auto' | 'onnxruntime'>({
    takes: '<name>',
    about:
      'who computes models: auto computes trees in the worker where they give the same bits, onnxruntime runs all in ONNX Runtime',
    fallback: 'auto',
    parse: (given) => oneOf(given, ['auto', 'onnxruntime']),
  }),
  cache: setting<boolean>({
    takes: null,
    about: 'measure and compare models at each start, without the cache folder (~/.cache/tidemark)',
    fallback: true,
    parse: (given) => oneOf(given, ['true', 'false']) === 'true',
  }),
  maxAhead: setting<'none' | null>({
    takes: '<none>',
    about: 'none lets event times be far ahead of the record, for tests and backfills',
    fallback: null,
    fallbackText: 'as the topology says',
    parse: (given) => oneOf(given, ['none']),
  }),
} as const

export type SettingName = keyof typeof SETTINGS
/** A setting's value. */
export type SettingValue<N extends SettingName> =
  (typeof SETTINGS)[N] extends Setting<infer T> ? T : never

/** `--http-port`; of a switch that is on, the flag turns it off: `--no-cache` */
export function flagOf(name: SettingName): string {
  const { takes, fallback }: Setting<unknown> = SETTINGS[name]
  const isOn = takes === null && fallback === true
  return `--${isOn ? 'no-' : ''}${words(name).join('-')}`
}

/** `TIDEMARK_HTTP_PORT` */
export function variableOf(name: SettingName): string {
  return `TIDEMARK_${words(name).join('_').toUpperCase()}`
}

function words(name: SettingName): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase())
}

function setting<T>(s: Setting<T>): Setting<T> {
  return s
}

function pemFile(about: string, fallbackText?: string): Setting<string | null> {
  const text = fallbackText === undefined ? {} : { fallbackText }
  return { takes: '<file>', about: `${about} (PEM)`, fallback: null, ...text, parse: textOf }
}

function one({ values }: Given): string {
  const value = values[0] ?? ''
  if (values.length > 1) throw new Error(`${values.length} values where one is taken`)
  if (value === '') throw new Error('is empty')
  return value
}

function oneOf<const T extends string>(given: Given, names: readonly T[]): T {
  const value = one(given)
  const found = names.find((name) => name === value)
  if (found === undefined) throw new Error(`"${value}" is not ${names.join(', ')}`)
  return found
}

/** @param unit of the setting, where the range is in another one */
function numberOf(given: Given, range: { from: number; to: number }, unit = 1): number {
  const value = one(given)
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
  const [from, to] = [range.from / unit, Math.floor(range.to / unit)]
  if (!(number >= from && number <= to)) {
    throw new Error(`"${value}" is not a whole number from ${from} to ${to}`)
  }
  return number
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** ms */
function rebuild(given: Given): number {
  const value = one(given)
  if (value === 'all') return Number.POSITIVE_INFINITY
  if (value === 'none') return 0
  const [, number = '', unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(value) ?? []
  if (number === '')
    throw new Error(`"${value}" is not all, none, or a duration such as 90m, 6h, 2d`)
  return Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS]
}

const MOST_WORKERS = 256

function workers(given: Given): number {
  const number = orWord(given, 'auto', (g) => numberOf(g, { from: 1, to: MOST_WORKERS }))
  return number === 'auto' ? availableParallelism() : number
}

function workerName(given: Given): string {
  const name = one(given)
  if (isWorkerName(name)) return name
  throw new Error(`"${name}" is not 1 to 100 letters, digits, ".", "_" and "-"`)
}

function hostAndPort(text: string): string {
  const broker = text.trim()
  const port = Number(/^(?:[^\s:/]+|\[[\da-fA-F:]+\]):(\d{1,5})$/.exec(broker)?.[1] ?? 0)
  if (port < 1 || port > 65_535) throw new Error(`"${broker}" is not host:port`)
  return broker
}

/** What is parsed, or a word in its place. */
function orWord<T, const W extends string>(
  given: Given,
  word: W,
  parse: (given: Given) => T,
): T | W {
  if (one(given) === word) return word
  try {
    return parse(given)
  } catch (error) {
    throw new Error(`${messageOf(error)}, or ${word}`, { cause: error })
  }
}

function pairs(values: readonly string[], shape: string): Map<string, string> {
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

function textOf(given: Given): string {
  const file = resolve(given.folder, one(given))
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}
