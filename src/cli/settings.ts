import type { LogFormat } from '../observe/log.ts'
import { type KafkaSasl, MECHANISMS } from '../records/kafka/options.ts'
import { WORKER_OPTIONS, WORKER_SETTINGS, type WorkerConfig } from '../runtime/config.ts'
import { integer, oneOf, orWord, type Setting, SWITCH, TEXT } from '../runtime/setting.ts'
import {
  readableFile,
  registryUrl,
  saslExtensions,
  textOf,
  tokenUrl,
  workers,
} from './setting-parsers.ts'

// The settings of the commands: those of a worker, and what only a process has. Each one's flag,
// environment variable, key in the config file and help text follow from its name here: `httpPort`
// is `--http-port`, `TIDEMARK_HTTP_PORT` and `"httpPort"`.

/** How to authenticate with the brokers. */
export type SaslMechanism = KafkaSasl['mechanism']
/** The least severe level that is logged. */
type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const { heading: KAFKA } = WORKER_SETTINGS.brokers
const { heading: HTTP_AND_LOG } = WORKER_SETTINGS.statusEveryMs
const LOGIN = 'TLS and login'
const REGISTRY = 'Schema registry'

const OWN = {
  workers: setting<number>({
    heading: KAFKA,
    value: '<number|auto>',
    about:
      'number of workers, each in its own process; auto: one per CPU available to this process',
    fallback: 1,
    kind: { parse: workers },
  }),
  httpPort: setting<number | 'off'>({
    heading: HTTP_AND_LOG,
    value: '<port>',
    about: 'port for /metrics, /livez and /readyz; 0: any free port; off: no HTTP server',
    fallback: 9464,
    kind: orWord(integer({ from: 0, to: 65_535 }), 'off', 'off' as const),
  }),
  httpHost: setting<string>({
    heading: HTTP_AND_LOG,
    value: '<address>',
    about: 'address for the HTTP server to listen on',
    fallback: '127.0.0.1',
    kind: TEXT,
  }),
  logFormat: setting<LogFormat>({
    heading: HTTP_AND_LOG,
    value: '<name>',
    about: 'format of the log: text or json',
    fallback: process.stderr.isTTY ? 'text' : 'json',
    fallbackText: 'text on a terminal, otherwise json',
    kind: oneOf(['text', 'json']),
  }),
  logLevel: setting<LogLevel>({
    heading: HTTP_AND_LOG,
    value: '<name>',
    about: 'least severe level to log: debug, info, warn or error',
    fallback: 'info',
    kind: oneOf(['debug', 'info', 'warn', 'error']),
  }),
  tls: setting<boolean>({
    heading: LOGIN,
    value: null,
    about: 'connect to the brokers with TLS',
    fallback: false,
    kind: SWITCH,
  }),
  tlsCa: pemFile(
    LOGIN,
    "CA certificates to verify the brokers' certificates with",
    'those that Node trusts',
  ),
  tlsCert: pemFile(LOGIN, 'client certificate, if the brokers require one'),
  tlsKey: pemFile(LOGIN, 'private key of the client certificate'),
  saslMechanism: setting<SaslMechanism | null>({
    heading: LOGIN,
    value: '<name>',
    about:
      'SASL mechanism: scram-sha-256 or scram-sha-512, or with TLS plain, oauthbearer or aws-msk-iam',
    fallback: null,
    fallbackText: 'no authentication',
    kind: oneOf(MECHANISMS),
  }),
  saslUsername: setting<string | null>({
    heading: LOGIN,
    value: '<name>',
    about: 'user name for SASL',
    fallback: null,
    kind: TEXT,
  }),
  saslPassword: setting<string | null>({
    heading: LOGIN,
    value: '<password>',
    about: 'password for SASL',
    fallback: null,
    environmentOnly: true,
    kind: TEXT,
  }),
  saslPasswordFile: setting<string | null>({
    heading: LOGIN,
    value: '<file>',
    about: 'file with the password for SASL; takes precedence over TIDEMARK_SASL_PASSWORD',
    fallback: null,
    kind: { parse: (raw) => textOf(raw).trimEnd() },
  }),
  saslTokenUrl: setting<string | null>({
    heading: LOGIN,
    value: '<url>',
    about: 'token endpoint of the identity provider that gives access tokens for oauthbearer',
    fallback: null,
    fallbackText: 'none',
    kind: { parse: tokenUrl },
  }),
  saslTokenCa: pemFile(
    LOGIN,
    "CA certificates to verify the token endpoint's certificate with",
    'those that Node trusts',
  ),
  saslClientId: setting<string | null>({
    heading: LOGIN,
    value: '<id>',
    about: 'client id at the token endpoint',
    fallback: null,
    kind: TEXT,
  }),
  saslClientSecret: setting<string | null>({
    heading: LOGIN,
    value: '<secret>',
    about: 'client secret at the token endpoint',
    fallback: null,
    environmentOnly: true,
    kind: TEXT,
  }),
  saslClientSecretFile: setting<string | null>({
    heading: LOGIN,
    value: '<file>',
    about: 'file with the client secret; takes precedence over TIDEMARK_SASL_CLIENT_SECRET',
    fallback: null,
    kind: { parse: (raw) => textOf(raw).trimEnd() },
  }),
  saslScope: setting<string | null>({
    heading: LOGIN,
    value: '<scope>',
    about: 'scope to request at the token endpoint',
    fallback: null,
    fallbackText: "the provider's own default",
    kind: TEXT,
  }),
  saslTokenFile: setting<string | null>({
    heading: LOGIN,
    value: '<file>',
    about: 'file with an access token for oauthbearer, read at each authentication',
    fallback: null,
    kind: { parse: readableFile },
  }),
  saslExtension: setting<ReadonlyMap<string, string>>({
    heading: LOGIN,
    value: '<name=value>',
    about: 'SASL extension to send with the access token; repeatable',
    fallback: new Map(),
    fallbackText: 'none',
    many: true,
    kind: { parse: saslExtensions },
  }),
  awsRegion: setting<string | null>({
    heading: LOGIN,
    value: '<region>',
    about: 'region of the Amazon MSK cluster, for aws-msk-iam',
    fallback: null,
    fallbackText: 'none',
    kind: TEXT,
  }),
  registry: setting<string | null>({
    heading: REGISTRY,
    value: '<url>',
    about: "schema registry with Confluent's API, for topologies whose values have schemas in one",
    fallback: null,
    fallbackText: 'none',
    kind: { parse: registryUrl },
  }),
  registryUsername: setting<string | null>({
    heading: REGISTRY,
    value: '<name>',
    about: 'user name for the schema registry',
    fallback: null,
    kind: TEXT,
  }),
  registryPassword: setting<string | null>({
    heading: REGISTRY,
    value: '<password>',
    about: 'password for the schema registry',
    fallback: null,
    environmentOnly: true,
    kind: TEXT,
  }),
  registryPasswordFile: setting<string | null>({
    heading: REGISTRY,
    value: '<file>',
    about:
      'file with the password for the schema registry; takes precedence over TIDEMARK_REGISTRY_PASSWORD',
    fallback: null,
    kind: { parse: (raw) => textOf(raw).trimEnd() },
  }),
  registryCa: pemFile(
    REGISTRY,
    "CA certificates to verify the schema registry's certificate with",
    'those that Node trusts',
  ),
} as const

type OptionOf = { [K in keyof WorkerConfig as (typeof WORKER_SETTINGS)[K]['flag']]: K }
type Own = { [N in keyof typeof OWN]: (typeof OWN)[N] extends Setting<infer T> ? T : never }

/** The key of a setting, as in the config file. */
export type SettingName = keyof OptionOf | keyof Own
/** The type of a setting's value. */
export type SettingValue<N extends SettingName> = N extends keyof OptionOf
  ? WorkerConfig[OptionOf[N]]
  : N extends keyof Own
    ? Own[N]
    : never

/** Values of settings, so far as they are known. */
export type Values = { readonly [K in SettingName]?: SettingValue<K> }

/** All settings, grouped by their headings. */
export const SETTINGS = byHeading({
  ...Object.fromEntries(
    WORKER_OPTIONS.map((name) => [WORKER_SETTINGS[name].flag, WORKER_SETTINGS[name]]),
  ),
  ...OWN,
}) as Readonly<Record<SettingName, Setting<unknown>>>

function byHeading(settings: Readonly<Record<string, Setting<unknown>>>) {
  const all = Object.entries(settings)
  const headings = new Set(all.map(([, { heading }]) => heading))
  return Object.fromEntries(
    [...headings].flatMap((one) => all.filter(([, s]) => s.heading === one)),
  )
}

/** The options of a worker that the values of settings are. */
export function workerOptions(values: Values): Partial<WorkerConfig> {
  const options = WORKER_OPTIONS.map((name) => [name, values[WORKER_SETTINGS[name].flag]])
  return Object.fromEntries(options.filter(([, value]) => value !== undefined))
}

/** The flag, such as `--http-port`; for a switch that is on by default, `--no-cache`. */
export function flagOf(name: SettingName): string {
  const { value, fallback } = SETTINGS[name]
  const isOn = value === null && fallback === true
  return `--${isOn ? 'no-' : ''}${words(name).join('-')}`
}

/** The environment variable, such as `TIDEMARK_HTTP_PORT`. */
export function variableOf(name: SettingName): string {
  return `TIDEMARK_${words(name).join('_').toUpperCase()}`
}

function words(name: SettingName): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase())
}

function setting<T>(s: Setting<T>): Setting<T> {
  return s
}

function pemFile(heading: string, about: string, fallbackText?: string): Setting<string | null> {
  const text = fallbackText === undefined ? {} : { fallbackText }
  const kind = { parse: textOf }
  return { heading, value: '<file>', about: `${about} (PEM)`, fallback: null, ...text, kind }
}
