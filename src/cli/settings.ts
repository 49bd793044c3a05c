import { availableParallelism } from 'node:os'
import { type KafkaSasl, MECHANISMS } from '../connect/kafka/client/options.ts'
import { faultOfTokenUrl } from '../connect/kafka/client/token-providers.ts'
import type { LogFormat } from '../observe/log.ts'
import {
  SETTING_NAMES,
  WORKER_OPTIONS,
  WORKER_SETTINGS,
  type WorkerConfig,
} from '../runtime/config.ts'
import {
  integer,
  oneOf,
  optional,
  orWord,
  type Setting,
  SWITCH,
  setting,
  TEXT,
  textWithout,
  under,
} from '../runtime/setting.ts'
import {
  faultOfRegistryUrl,
  readableFile,
  redisUrls,
  saslExtensions,
  textOf,
} from './setting-parsers.ts'

// The settings of the commands: those of a worker, and what only a process has. Each one's flag,
// environment variable, key in the config file and help text follow from its name here: `httpPort`
// is `--http-port`, `TIDEMARK_HTTP_PORT` and `"httpPort"`.

export type SaslMechanism = KafkaSasl['mechanism']
type LogLevel = 'debug' | 'info' | 'warn' | 'error'

function pemFile(about: string, more: Pick<Setting<string>, 'fallbackText'> = {}) {
  return optional('<file>', `${about} (PEM)`, { kind: { parse: textOf }, ...more })
}

function secret(value: string, about: string) {
  return optional(value, about, { environmentOnly: true })
}

function secretFile(what: string, variable: string) {
  const about = `file with the ${what}; takes precedence over ${variable}`
  return optional('<file>', about, { kind: { parse: (raw) => textOf(raw).trimEnd() } })
}

const NODES_OWN = { fallbackText: 'those that Node trusts' }
const NONE = { fallbackText: 'none' }
const ADDRESS = { value: '<address>', fallback: '127.0.0.1', kind: TEXT }

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
    about: 'port for /metrics, /livez and /readyz; 0: any free port; off: no HTTP server',
    fallback: 9464,
    kind: orWord(integer({ from: 0, to: 65_535 }), 'off', 'off' as const),
  }),
  httpHost: setting<string>({ about: 'address for the HTTP server to listen on', ...ADDRESS }),
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
    { kind: { parse: (raw) => textOf(raw).trimEnd() } },
  ),
  predictAdvertise: optional(
    '<host:port>',
    'where other workers of the group reach this address, to pass on requests for partitions that it owns',
    { fallbackText: 'the address itself, with the name of this host for 0.0.0.0' },
  ),
})
const LOGIN = under('TLS and login', {
  tls: setting<boolean>({
    value: null,
    about: 'connect to the brokers with TLS',
    fallback: false,
    kind: SWITCH,
  }),
  tlsCa: pemFile("CA certificates to verify the brokers' certificates with", NODES_OWN),
  tlsCert: pemFile('client certificate, if the brokers require one'),
  tlsKey: pemFile('private key of the client certificate'),
  saslMechanism: optional<SaslMechanism>(
    '<name>',
    'SASL mechanism: scram-sha-256 or scram-sha-512, or with TLS plain, oauthbearer or aws-msk-iam',
    { fallbackText: 'no authentication', kind: oneOf(MECHANISMS) },
  ),
  saslUsername: optional('<name>', 'user name for SASL'),
  saslPassword: secret('<password>', 'password for SASL'),
  saslPasswordFile: secretFile('password for SASL', 'TIDEMARK_SASL_PASSWORD'),
  saslTokenUrl: optional(
    '<url>',
    'token endpoint of the identity provider that gives access tokens for oauthbearer',
    { ...NONE, kind: textWithout(faultOfTokenUrl) },
  ),
  saslTokenCa: pemFile(
    "CA certificates to verify the token endpoint's certificate with",
    NODES_OWN,
  ),
  saslClientId: optional('<id>', 'client id at the token endpoint'),
  saslClientSecret: secret('<secret>', 'client secret at the token endpoint'),
  saslClientSecretFile: secretFile('client secret', 'TIDEMARK_SASL_CLIENT_SECRET'),
  saslScope: optional('<scope>', 'scope to request at the token endpoint', {
    fallbackText: "the provider's own default",
  }),
  saslTokenFile: optional(
    '<file>',
    'file with an access token for oauthbearer, read at each authentication',
    { kind: { parse: readableFile } },
  ),
  saslExtension: setting<ReadonlyMap<string, string>>({
    value: '<name=value>',
    about: 'SASL extension to send with the access token; repeatable',
    fallback: new Map(),
    ...NONE,
    many: true,
    kind: { parse: saslExtensions },
  }),
  awsRegion: optional('<region>', 'region of the Amazon MSK cluster, for aws-msk-iam', NONE),
})
const REGISTRY = under('Schema registry', {
  registry: optional(
    '<url>',
    "schema registry with Confluent's API, for topologies whose values have schemas in one",
    { ...NONE, kind: textWithout(faultOfRegistryUrl) },
  ),
  registryUsername: optional('<name>', 'user name for the schema registry'),
  registryPassword: secret('<password>', 'password for the schema registry'),
  registryPasswordFile: secretFile(
    'password for the schema registry',
    'TIDEMARK_REGISTRY_PASSWORD',
  ),
  registryCa: pemFile(
    "CA certificates to verify the schema registry's certificate with",
    NODES_OWN,
  ),
})
const REDIS = under('Redis', {
  redis: setting<readonly string[]>({
    value: '<url,…>',
    about:
      'Redis, for stores whose rows are in it: redis://host:6379, with TLS rediss://, with a user redis://user@host:6379; some nodes of a cluster',
    fallback: [],
    ...NONE,
    many: true,
    kind: { parse: redisUrls },
  }),
  redisPassword: secret('<password>', 'password for Redis'),
  redisPasswordFile: secretFile('password for Redis', 'TIDEMARK_REDIS_PASSWORD'),
  redisCa: pemFile("CA certificates to verify Redis' certificate with", NODES_OWN),
  redisCert: pemFile('client certificate, if Redis requires one'),
  redisKey: pemFile('private key of the client certificate'),
})
const OWN = { ...WORKERS, ...HTTP_AND_LOG, ...REQUESTS, ...LOGIN, ...REGISTRY, ...REDIS }

type OfWorker = {
  readonly [K in keyof WorkerConfig as (typeof SETTING_NAMES)[K]]: WorkerConfig[K]
}
type Own = {
  readonly [N in keyof typeof OWN]: (typeof OWN)[N] extends Setting<infer T> ? T : never
}
export type RunConfig = OfWorker & Own
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
  'cache',
  'maxAhead',
  'maxTableMb',
  'maxModelMb',
] as const
export const CLUSTER_SETTINGS = [
  'brokers',
  ...namesOf({ ...LOGIN, ...REGISTRY, ...REDIS }),
] as const
export const SERVE_SETTINGS = [
  'predictPort',
  'predictHost',
  'predictTokenFile',
  'evaluator',
] as const
export const RUN_SETTINGS = namesOf(SETTINGS)

function namesOf<T extends object>(settings: T): (keyof T)[] {
  return Object.keys(settings) as (keyof T)[]
}

export function workerOptions(values: Values): Partial<WorkerConfig> {
  const options = WORKER_OPTIONS.map((name) => [name, values[SETTING_NAMES[name]]])
  return Object.fromEntries(options.filter(([, value]) => value !== undefined))
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
