import { resolve } from 'node:path'
import { DEFAULTS, RANGES } from '../host/options.ts'
import type { Compression } from '../kernel/compression.ts'
import type { LogFormat } from '../observe/log.ts'
import { type KafkaSasl, MECHANISMS } from '../records/kafka/options.ts'
import type { From, Guarantee } from '../records/port.ts'
import {
  compression,
  group,
  hostAndPort,
  numberOf,
  oneOf,
  orWord,
  pairs,
  pemFile,
  readableFile,
  rebuild,
  registryUrl,
  type Setting,
  saslExtensions,
  setting,
  single,
  textOf,
  tokenUrl,
  workerName,
  workers,
} from './setting-parsers.ts'

// All settings. Each one's flag, environment variable, key in the config file and help text follow
// from this table. `httpPort` is `--http-port`, `TIDEMARK_HTTP_PORT` and `"httpPort"`.

/** Bytes. */
export const MEGABYTE = 1_000_000
/** ms */
export const SECOND = 1_000

/** How to authenticate with the brokers. */
export type SaslMechanism = KafkaSasl['mechanism']
/** The least severe level that is logged. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** All settings, in the order of the help and docs/configuration.md. */
export const SETTINGS = {
  ...group('Kafka', {
    brokers: setting<readonly string[]>({
      value: '<host:port,…>',
      about: 'Kafka brokers to bootstrap from',
      fallback: DEFAULTS.brokers,
      fallbackText: DEFAULTS.brokers.join(','),
      many: true,
      parse: ({ values }) => values.flatMap((v) => v.split(',')).map(hostAndPort),
    }),
    group: setting<string | null>({
      value: '<name>',
      about: 'consumer group; the workers of a group share the partitions',
      fallback: null,
      fallbackText: "the topologies' names, joined by +",
      parse: single,
    }),
    workers: setting<number>({
      value: '<number|auto>',
      about:
        'number of workers, each in its own process; auto: one per CPU available to this process',
      fallback: 1,
      parse: workers,
    }),
    workerName: setting<string | null>({
      value: '<name>',
      about:
        'unique name of the worker in its group, kept across restarts, so that it gets its partitions back at once after a crash; each of several workers appends its number, <name>-1; none: no name, and after a crash its partitions wait for the session timeout',
      fallback: null,
      fallbackText: '<host>-<n>, with the first number n that is free on the host',
      parse: workerName,
    }),
    sessionTimeout: setting<number>({
      value: '<seconds>',
      about:
        'how long the group waits for a silent worker before it reassigns its partitions, seconds',
      fallback: DEFAULTS.sessionTimeoutMs / SECOND,
      parse: (raw) => numberOf(raw, RANGES.sessionTimeoutMs, SECOND),
    }),
    from: setting<From>({
      value: '<earliest|latest>',
      about: 'where to start reading if the group has no committed offset: earliest or latest',
      fallback: DEFAULTS.from,
      parse: (raw) => oneOf(raw, ['earliest', 'latest']),
    }),
    rebuild: setting<number>({
      value: '<all|none|duration>',
      about:
        'how far back to read the log to rebuild windows if the committed offset has no restart note, such as after an offset reset: all, none, or a duration such as 6h',
      fallback: DEFAULTS.rebuildMs,
      fallbackText: 'all',
      parse: rebuild,
    }),
  }),
  ...group('Commits and output', {
    guarantee: setting<Guarantee>({
      value: '<name>',
      about:
        'exactly-once, or at-least-once, which is faster but may write some outputs twice after a crash',
      fallback: DEFAULTS.guarantee,
      parse: (raw) => oneOf(raw, ['exactly-once', 'at-least-once']),
    }),
    commitInterval: setting<number | null>({
      value: '<ms>',
      about:
        'time from one commit to the next, ms; under exactly-once, outputs are visible only after the commit',
      fallback: null,
      fallbackText: '10, up to 250 under load; under at-least-once 3 to 100',
      parse: (raw) => numberOf(raw, RANGES.commitIntervalMs),
    }),
    maxCommitMb: setting<number>({
      value: '<megabytes>',
      about:
        'the most that one commit writes, MB; reduced automatically if that takes more than a few seconds',
      fallback: DEFAULTS.maxCommitBytes / MEGABYTE,
      parse: (raw) => numberOf(raw, RANGES.maxCommitBytes, MEGABYTE),
    }),
    compression: setting<Compression>({
      value: '<name>',
      about:
        'compression of what is written to topics whose sinks do not set their own: none, gzip, snappy, lz4 or zstd (Node 22.15, 23.8 or newer)',
      fallback: DEFAULTS.compression,
      parse: compression,
    }),
    deadLetterBreaker: setting<number | null>({
      value: '<percent|off>',
      about:
        'slows a partition down to 100 records a second while more than this percentage of its last 1,000 records are dead letters',
      fallback: null,
      fallbackText: 'off',
      parse: (raw) =>
        single(raw) === 'off' ? null : numberOf(raw, RANGES.deadLetterBreakerPercent),
    }),
  }),
  ...group('Topology and models', {
    topic: setting<ReadonlyMap<string, string>>({
      value: '<logical=actual>',
      about: 'actual topic to use for a logical topic name of the topologies; repeatable',
      fallback: new Map(),
      fallbackText: 'as named in the topology',
      many: true,
      parse: ({ values }) => pairs(values, 'logical=actual'),
    }),
    model: setting<ReadonlyMap<string, string>>({
      value: '<name=file>',
      about: 'ONNX file to use for a model instead of the declared one; repeatable',
      fallback: new Map(),
      fallbackText: 'as declared in the topology',
      many: true,
      parse: ({ values, folder }) =>
        new Map(
          [...pairs(values, 'name=file')].map(([name, file]) => [name, resolve(folder, file)]),
        ),
    }),
    variant: setting<ReadonlyMap<string, string>>({
      value: '<step=model>',
      about:
        'variant that scores at a score step with variants, for all workers of the group; kept with what they commit; repeatable',
      fallback: new Map(),
      fallbackText: 'as the group has chosen',
      many: true,
      parse: ({ values }) => pairs(values, 'step=model'),
    }),
    evaluator: setting<'auto' | 'onnxruntime'>({
      value: '<name>',
      about:
        'auto: computes tree models in the worker if the results are bit-identical, and all others in ONNX Runtime; onnxruntime: computes all models in ONNX Runtime',
      fallback: 'auto',
      parse: (raw) => oneOf(raw, ['auto', 'onnxruntime']),
    }),
    cache: setting<boolean>({
      value: null,
      about:
        'do not use the cache folder (~/.cache/tidemark): measure and compare models again at each start',
      fallback: true,
      parse: (raw) => oneOf(raw, ['true', 'false']) === 'true',
    }),
    maxAhead: setting<'none' | null>({
      value: '<none>',
      about: 'none: accept event times any time ahead of their record, for tests and backfills',
      fallback: null,
      fallbackText: 'as set in the topology',
      parse: (raw) => oneOf(raw, ['none']),
    }),
  }),
  ...group('Memory', {
    maxInFlightMb: setting<number>({
      value: '<megabytes>',
      about:
        'memory of each worker for records, outputs and dead letters that are not committed yet, MB',
      fallback: DEFAULTS.maxInFlightBytes / MEGABYTE,
      parse: (raw) => numberOf(raw, RANGES.maxInFlightBytes, MEGABYTE),
    }),
    maxKeys: setting<number | null>({
      value: '<number>',
      about:
        'most keys, and most distinct strings, in the windows of each worker; events beyond that are dead letters STATE_LIMIT',
      fallback: null,
      fallbackText: "as many as fit into half of Node's heap",
      parse: (raw) => numberOf(raw, RANGES.maxKeys),
    }),
    maxStateMb: setting<number | null>({
      value: '<megabytes>',
      about: 'most memory for the windows of each worker, MB',
      fallback: null,
      fallbackText: 'half of the memory, divided among the workers',
      parse: (raw) => numberOf(raw, RANGES.maxStateBytes, MEGABYTE),
    }),
    maxTableMb: setting<number | null>({
      value: '<megabytes>',
      about:
        'most memory for all lookup tables of each worker, MB; beyond that it stops, TABLE_LIMIT',
      fallback: null,
      fallbackText: "a quarter of Node's heap",
      parse: (raw) => numberOf(raw, RANGES.maxTableBytes, MEGABYTE),
    }),
    maxModelMb: setting<number | null>({
      value: '<megabytes>',
      about:
        'most memory for all models of each worker, MB; with more it does not start, MODEL_LIMIT',
      fallback: null,
      fallbackText: 'no limit',
      parse: (raw) => numberOf(raw, RANGES.maxModelBytes, MEGABYTE),
    }),
  }),
  ...group('HTTP and log', {
    httpPort: setting<number | 'off'>({
      value: '<port>',
      about: 'port for /metrics, /livez and /readyz; 0: any free port; off: no HTTP server',
      fallback: 9464,
      parse: (raw) => orWord(raw, 'off', (g) => numberOf(g, { from: 0, to: 65_535 })),
    }),
    httpHost: setting<string>({
      value: '<address>',
      about: 'address for the HTTP server to listen on',
      fallback: '127.0.0.1',
      parse: single,
    }),
    logFormat: setting<LogFormat>({
      value: '<name>',
      about: 'format of the log: text or json',
      fallback: process.stderr.isTTY ? 'text' : 'json',
      fallbackText: 'text on a terminal, otherwise json',
      parse: (raw) => oneOf(raw, ['text', 'json']),
    }),
    logLevel: setting<LogLevel>({
      value: '<name>',
      about: 'least severe level to log: debug, info, warn or error',
      fallback: 'info',
      parse: (raw) => oneOf(raw, ['debug', 'info', 'warn', 'error']),
    }),
    statusInterval: setting<number | 'off'>({
      value: '<seconds>',
      about: 'how often to log rates, lag, watermark and delay, seconds; or off',
      fallback: DEFAULTS.statusEveryMs / SECOND,
      parse: (raw) =>
        raw.values[0] === 'off' ? 'off' : numberOf(raw, RANGES.statusEveryMs, SECOND),
    }),
  }),
  ...group('TLS and login', {
    tls: setting<boolean>({
      value: null,
      about: 'connect to the brokers with TLS',
      fallback: false,
      parse: (raw) => oneOf(raw, ['true', 'false']) === 'true',
    }),
    tlsCa: pemFile(
      "CA certificates to verify the brokers' certificates with",
      'those that Node trusts',
    ),
    tlsCert: pemFile('client certificate, if the brokers require one'),
    tlsKey: pemFile('private key of the client certificate'),
    saslMechanism: setting<SaslMechanism | null>({
      value: '<name>',
      about:
        'SASL mechanism: scram-sha-256 or scram-sha-512, or with TLS plain, oauthbearer or aws-msk-iam',
      fallback: null,
      fallbackText: 'no authentication',
      parse: (raw) => oneOf(raw, MECHANISMS),
    }),
    saslUsername: setting<string | null>({
      value: '<name>',
      about: 'user name for SASL',
      fallback: null,
      parse: single,
    }),
    saslPassword: setting<string | null>({
      value: '<password>',
      about: 'password for SASL',
      fallback: null,
      environmentOnly: true,
      parse: single,
    }),
    saslPasswordFile: setting<string | null>({
      value: '<file>',
      about: 'file with the password for SASL; takes precedence over TIDEMARK_SASL_PASSWORD',
      fallback: null,
      parse: (raw) => textOf(raw).trimEnd(),
    }),
    saslTokenUrl: setting<string | null>({
      value: '<url>',
      about: 'token endpoint of the identity provider that gives access tokens for oauthbearer',
      fallback: null,
      fallbackText: 'none',
      parse: tokenUrl,
    }),
    saslTokenCa: pemFile(
      "CA certificates to verify the token endpoint's certificate with",
      'those that Node trusts',
    ),
    saslClientId: setting<string | null>({
      value: '<id>',
      about: 'client id at the token endpoint',
      fallback: null,
      parse: single,
    }),
    saslClientSecret: setting<string | null>({
      value: '<secret>',
      about: 'client secret at the token endpoint',
      fallback: null,
      environmentOnly: true,
      parse: single,
    }),
    saslClientSecretFile: setting<string | null>({
      value: '<file>',
      about: 'file with the client secret; takes precedence over TIDEMARK_SASL_CLIENT_SECRET',
      fallback: null,
      parse: (raw) => textOf(raw).trimEnd(),
    }),
    saslScope: setting<string | null>({
      value: '<scope>',
      about: 'scope to request at the token endpoint',
      fallback: null,
      fallbackText: "the provider's own default",
      parse: single,
    }),
    saslTokenFile: setting<string | null>({
      value: '<file>',
      about: 'file with an access token for oauthbearer, read at each authentication',
      fallback: null,
      parse: readableFile,
    }),
    saslExtension: setting<ReadonlyMap<string, string>>({
      value: '<name=value>',
      about: 'SASL extension to send with the access token; repeatable',
      fallback: new Map(),
      fallbackText: 'none',
      many: true,
      parse: saslExtensions,
    }),
    awsRegion: setting<string | null>({
      value: '<region>',
      about: 'region of the Amazon MSK cluster, for aws-msk-iam',
      fallback: null,
      fallbackText: 'none',
      parse: single,
    }),
  }),
  ...group('Schema registry', {
    registry: setting<string | null>({
      value: '<url>',
      about:
        "schema registry with Confluent's API, for topologies whose values have schemas in one",
      fallback: null,
      fallbackText: 'none',
      parse: registryUrl,
    }),
    registryUsername: setting<string | null>({
      value: '<name>',
      about: 'user name for the schema registry',
      fallback: null,
      parse: single,
    }),
    registryPassword: setting<string | null>({
      value: '<password>',
      about: 'password for the schema registry',
      fallback: null,
      environmentOnly: true,
      parse: single,
    }),
    registryPasswordFile: setting<string | null>({
      value: '<file>',
      about:
        'file with the password for the schema registry; takes precedence over TIDEMARK_REGISTRY_PASSWORD',
      fallback: null,
      parse: (raw) => textOf(raw).trimEnd(),
    }),
    registryCa: pemFile(
      "CA certificates to verify the schema registry's certificate with",
      'those that Node trusts',
    ),
  }),
} as const

/** The key of a setting, as in the config file. */
export type SettingName = keyof typeof SETTINGS
/** The type of a setting's value. */
export type SettingValue<N extends SettingName> =
  (typeof SETTINGS)[N] extends Setting<infer T> ? T : never

/** Values of settings, so far as they are known. */
export type Values = { readonly [K in SettingName]?: SettingValue<K> }

/** The flag, such as `--http-port`; for a switch that is on by default, `--no-cache`. */
export function flagOf(name: SettingName): string {
  const { value, fallback }: Setting<unknown> = SETTINGS[name]
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
