import { availableParallelism } from 'node:os'
import { kafka } from '../connect/kafka/connector.ts'
import { SYSTEM_SETTINGS } from '../connect/table.ts'
import {
  integer,
  oneOf,
  optional,
  orWord,
  type Setting,
  type SettingKind,
  setting,
  TEXT,
  textOf,
  under,
  type ValuesOf,
} from '../kernel/setting.ts'
import type { LogFormat } from '../observe/log.ts'
import { REGISTRY_SETTINGS } from '../registry/settings.ts'
import {
  type GivenConfig,
  SETTING_NAMES,
  WORKER_OPTIONS,
  WORKER_SETTINGS,
  type WorkerConfig,
  workerConfig,
} from '../runtime/config.ts'

// The settings of the commands: those of a worker, and what only a process has. Each one's flag,
// environment variable, key in the config file and help text follow from its name here: `httpPort`
// is `--http-port`, `TIDEMARK_HTTP_PORT` and `"httpPort"`.

type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const ADDRESS = { value: '<address>', fallback: '127.0.0.1', kind: TEXT }

const TOKEN: SettingKind<string> = {
  parse: (raw) => {
    const token = textOf(raw).replace(/\r?\n$/, '')
    if (token === '') throw new Error('the file is empty')
    // A header is one line, and loses its outer blanks.
    if (/^\s|\s$|\p{Cc}/u.test(token)) throw new Error('it is not one line without outer blanks')
    return token
  },
}

const WORKERS = under(WORKER_SETTINGS.brokers.heading, {
  workers: setting<number>({
    value: '<number|auto>',
    about:
      'number of workers, each in its own process; auto: one per CPU available to this process',
    fallback: 1,
    kind: orWord(integer({ from: 1, to: 256 }), 'auto', availableParallelism()),
  }),
})
const HTTP_AND_LOG = under(WORKER_SETTINGS.statusEveryMs.heading, {
  httpPort: setting<number | 'off'>({
    value: '<port>',
    about: 'port for /metrics, /livez, /readyz and /status; 0: any free port; off: no HTTP server',
    fallback: 9464,
    kind: orWord(integer({ from: 0, to: 65_535 }), 'off', 'off' as const),
  }),
  httpHost: setting<string>({ about: 'address for the HTTP server to listen on', ...ADDRESS }),
  httpTokenFile: optional(
    '<file>',
    'file with the token of those who may ask for /status; without it they must ask under an address or as localhost',
    { kind: TOKEN },
  ),
  logFormat: setting<LogFormat>({
    value: '<name>',
    about: 'format of the log: text or json',
    fallback: process.stderr.isTTY ? 'text' : 'json',
    fallbackText: 'text on a terminal, otherwise json',
    kind: oneOf(['text', 'json']),
  }),
  logLevel: setting<LogLevel>({
    value: '<name>',
    about: 'least severe level to log: debug, info, warn or error',
    fallback: 'info',
    kind: oneOf(['debug', 'info', 'warn', 'error']),
  }),
})
const REQUESTS = under('Requests', {
  predictPort: optional<number>('<port>', 'port for requests; 0: any free port', {
    fallbackText: '8080 for serve; others answer none',
    kind: integer({ from: 0, to: 65_535 }),
  }),
  predictHost: setting<string>({ about: 'address to listen on for requests', ...ADDRESS }),
  predictTokenFile: optional(
    '<file>',
    'file with the token of those who may ask, needed where others than this machine reach the address',
    { kind: TOKEN },
  ),
  predictAdvertise: optional(
    '<host:port>',
    'where other workers of the group reach this address, to pass on requests for partitions that it owns',
    { fallbackText: 'the address itself, with the name of this host for 0.0.0.0' },
  ),
})
const OWN = {
  ...{ ...WORKERS, ...HTTP_AND_LOG, ...REQUESTS, ...kafka.settings, ...REGISTRY_SETTINGS },
  ...SYSTEM_SETTINGS,
}

type OfWorker = {
  readonly [K in keyof WorkerConfig as (typeof SETTING_NAMES)[K]]: GivenConfig[K]
}
export type RunConfig = OfWorker & ValuesOf<typeof OWN>
export type SettingName = keyof RunConfig
export type Config<N extends SettingName> = Pick<RunConfig, N>
export type Values = Partial<RunConfig>

export const SETTINGS = {
  ...Object.fromEntries(WORKER_OPTIONS.map((name) => [SETTING_NAMES[name], WORKER_SETTINGS[name]])),
  ...OWN,
} as Readonly<Record<SettingName, Setting<unknown>>>

export const PREPARE_SETTINGS = [
  'model',
  'variant',
  'evaluator',
  'providers',
  'cache',
  'maxAhead',
  'maxTableMb',
  'maxModelMb',
] as const
export const CLUSTER_SETTINGS = [
  'brokers',
  ...namesOf({ ...kafka.settings, ...REGISTRY_SETTINGS, ...SYSTEM_SETTINGS }),
] as const
export const SERVE_SETTINGS = [
  'predictPort',
  'predictHost',
  'predictTokenFile',
  'evaluator',
  'providers',
] as const
export const RUN_SETTINGS = namesOf(SETTINGS)

function namesOf<T extends object>(settings: T): (keyof T)[] {
  return Object.keys(settings) as (keyof T)[]
}

/** @param workers how many share the machine @default 1 */
export function configOf(values: Values, workers = 1): WorkerConfig {
  const options = WORKER_OPTIONS.map((name) => [name, values[SETTING_NAMES[name]]])
  return workerConfig(Object.fromEntries(options), workers)
}

/** The flag, such as `--http-port`; for a switch that is on by default, `--no-cache`. */
export function flagOf(name: SettingName): string {
  const { value, fallback } = SETTINGS[name]
  const isOn = value === null && fallback === true
  return `--${isOn ? 'no-' : ''}${words(name).join('-')}`
}

export function variableOf(name: SettingName): string {
  return `TIDEMARK_${words(name).join('_').toUpperCase()}`
}

function words(name: SettingName): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase())
}
