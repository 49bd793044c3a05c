import { SESSION_TIMEOUT_MS } from '../connect/kafka/client/options.ts'
import type { From, Guarantee } from '../connect/port.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { COMPRESSIONS, type Compression, compressionFault } from '../kernel/kafka.ts'
import {
  integer,
  oneOf,
  optional,
  orWord,
  pairs,
  pairsOf,
  type RawSetting,
  type Setting,
  type SettingKind,
  SWITCH,
  setting,
  single,
  textWithout,
  under,
} from '../kernel/setting.ts'
import { parseDuration } from '../kernel/time.ts'
import { modelAt } from '../scoring/model-files.ts'
import { ONLY_CPU, providersFault } from '../scoring/onnx-runtime.ts'
import { limitsOfMachine, type MachineLimits } from './machine-limits.ts'

/** bytes */
const MEGABYTE = 1_000_000
/** ms */
const SECOND = 1_000

/** How a worker runs. */
export interface WorkerConfig {
  /** Bootstrap brokers, each as `host:port`. @default 127.0.0.1:9092 */
  readonly brokers: readonly string[]
  /**
   * Consumer group; workers of one group share the partitions.
   * @default the names of the topologies, joined with `+`
   */
  readonly group: string | null
  /**
   * The worker's name, unique in its group and kept over restarts: after a restart, also after a
   * crash, the worker gets its partitions back at once. 1 to 100 letters, digits, `.`, `_` and `-`;
   * `none`: it has no name, and after a crash its partitions wait for `sessionTimeoutMs`.
   * @default `<host>-<number>`, with the first number that no other worker of the group has on this
   * host: `<host>-1`
   */
  readonly workerName: string | null
  /**
   * Session timeout: a worker that sends no heartbeat for this time is removed from the group, ms,
   * 1,000 to 1,800,000.
   * @default 10,000
   */
  readonly sessionTimeoutMs: number
  /** Where a group without committed offsets begins. @default 'earliest' */
  readonly from: From
  /**
   * How much of the log is read to rebuild windows when the committed offset has no restart note,
   * ms by the records' timestamps; 0: nothing. Outputs are marked until windows are complete.
   * @default +Infinity, all of it
   */
  readonly rebuildMs: number
  /** The guarantee when a worker dies in the middle of its work. @default 'exactly-once' */
  readonly guarantee: Guarantee
  /**
   * Time from the start of one commit to the start of the next, ms, 1 to 60,000.
   * @default 10, under heavy load up to 250; under at-least-once 3 to 100
   */
  readonly commitIntervalMs: number | null
  /** Largest size of one commit, bytes; a single record may lead to more. @default 16 MB */
  readonly maxCommitBytes: number
  /**
   * How batches of outputs and dead letters are compressed; a sink's own `compression` goes first.
   * `zstd` needs Node 22.15, 23.8 or newer.
   * @default 'none'
   */
  readonly compression: Compression
  /**
   * When more than this share of a partition's last 1,000 records are dead letters, late ones not
   * counted, the partition continues at 100 records a second, %, 1 to 99.
   * @default never
   */
  readonly deadLetterBreakerPercent: number | null
  /** Topic name in the topology → the topic to use instead. @default the topology's own names */
  readonly topics: Readonly<Record<string, string>>
  /** Model name → the ONNX file to use instead, or its URL. @default the declared files */
  readonly models: Readonly<Record<string, string>>
  /**
   * Score step → the name of the variant that scores, for steps with `variants`. Give it to all
   * workers of the group: it is kept with what they commit.
   * @default the one that the group has chosen
   */
  readonly variants: Readonly<Record<string, string>>
  /**
   * The evaluator of the models: `auto` computes trees in this process where the results are bit for
   * bit those of ONNX Runtime; `onnxruntime` runs every model in ONNX Runtime.
   * @default 'auto'
   */
  readonly evaluator: 'auto' | 'onnxruntime'
  /**
   * Execution providers of ONNX Runtime, for models that it runs: the first that works here. The
   * last is `cpu`.
   * @default ['cpu']
   */
  readonly providers: readonly string[]
  /**
   * Whether what a start learns about models is kept for the next one, in the user's cache folder.
   * @default true
   */
  readonly cache: boolean
  /** Switches the future guard off, for tests and backfills. @default as the topology says */
  readonly maxAhead: 'none' | null
  /**
   * Memory for records, outputs and dead letters that are not committed yet, bytes.
   * @default 256 MB, with less than 2 GB of memory an eighth of it
   */
  readonly maxInFlightBytes: number
  /**
   * The most keys, and the most distinct texts, in the windows of this worker.
   * @default what half of Node's heap holds
   */
  readonly maxKeys: number
  /**
   * Memory for the windows of this worker, bytes. @default half of the memory, or what the heap
   * leaves of it
   */
  readonly maxStateBytes: number
  /** Memory for all lookup tables of this worker, bytes. @default a quarter of Node's heap */
  readonly maxTableBytes: number
  /** Memory for the rows of stores of this worker, bytes. @default an eighth of Node's heap */
  readonly maxStoreBytes: number
  /** Memory for all models of this worker, bytes. @default no limit */
  readonly maxModelBytes: number | null
  /** How often the worker's status is logged, ms, or `'off'`. @default 60,000 */
  readonly statusEveryMs: number | 'off'
}

/** The settings of a worker as they are given. `null`: the machine decides. */
export type GivenConfig = {
  readonly [K in keyof WorkerConfig]:
    | WorkerConfig[K]
    | (K extends keyof MachineLimits ? null : never)
}
type Settings = { readonly [K in keyof WorkerConfig]: Setting<GivenConfig[K]> }

const COMPRESSION = oneOf(COMPRESSIONS)

const PROVIDERS: SettingKind<readonly string[]> = {
  fault: providersFault,
  parse: ({ values }) => {
    const providers = values.flatMap((v) => v.split(',')).map((name) => name.trim())
    const fault = providersFault(providers)
    if (fault !== null) throw new Error(fault)
    return providers
  },
}

const KAFKA = under('Kafka', {
  brokers: setting<readonly string[]>({
    value: '<host:port,…>',
    about: 'Kafka brokers to bootstrap from',
    fallback: ['127.0.0.1:9092'],
    fallbackText: '127.0.0.1:9092',
    many: true,
    kind: { parse: ({ values }) => values.flatMap((v) => v.split(',')).map(hostAndPort) },
  }),
  group: optional('<name>', 'consumer group; the workers of a group share the partitions', {
    fallbackText: "the topologies' names, joined by +",
  }),
  workerName: optional(
    '<name>',
    'unique name of the worker in its group, kept across restarts, so that it gets its partitions back at once after a crash; each of several workers appends its number, <name>-1; none: no name, and after a crash its partitions wait for the session timeout',
    {
      fallbackText: '<host>-<n>, with the first number n that is free on the host',
      kind: textWithout(workerNameFault),
    },
  ),
  sessionTimeoutMs: setting<number>({
    value: '<seconds>',
    about:
      'how long the group waits for a silent worker before it reassigns its partitions, seconds (session.timeout.ms of Kafka)',
    fallback: SESSION_TIMEOUT_MS,
    fallbackText: '10',
    kind: integer({ from: 1_000, to: 1_800_000 }, SECOND),
  }),
  from: setting<From>({
    value: '<earliest|latest>',
    about:
      'where to start reading if the group has no committed offset: earliest or latest (auto.offset.reset of Kafka)',
    fallback: 'earliest',
    kind: oneOf(['earliest', 'latest']),
  }),
  rebuildMs: setting<number>({
    value: '<all|none|duration>',
    about:
      'how far back to read the log to rebuild windows if the committed offset has no restart note, such as after an offset reset: all, none, or a duration such as 6h',
    fallback: Number.POSITIVE_INFINITY,
    fallbackText: 'all',
    kind: { ...orWord(integer({ from: 0 }), 'all', Number.POSITIVE_INFINITY), parse: rebuild },
  }),
})
const COMMITS = under('Commits and output', {
  guarantee: setting<Guarantee>({
    value: '<name>',
    about:
      'exactly-once, or at-least-once, which is faster but may write some outputs twice after a crash (processing.guarantee of Kafka Streams)',
    fallback: 'exactly-once',
    kind: oneOf(['exactly-once', 'at-least-once']),
  }),
  commitIntervalMs: optional(
    '<ms>',
    'time from one commit to the next, ms; under exactly-once, outputs are visible only after the commit',
    {
      fallbackText: '10, up to 250 under load; under at-least-once 3 to 100',
      kind: integer({ from: 1, to: 60_000 }),
    },
  ),
  maxCommitBytes: setting<number>({
    value: '<megabytes>',
    about:
      'the most that one commit writes, MB; reduced automatically if that takes more than a few seconds',
    fallback: 16 * MEGABYTE,
    fallbackText: '16',
    kind: integer({ from: MEGABYTE, to: 1_000 * MEGABYTE }, MEGABYTE),
  }),
  compression: setting<Compression>({
    value: '<name>',
    about:
      'compression of what is written to topics whose sinks do not set their own: none, gzip, snappy, lz4 or zstd (Node 22.15, 23.8 or newer)',
    fallback: 'none',
    kind: textWithout((name) => COMPRESSION.fault?.(name) ?? compressionFault(name)),
  }),
  deadLetterBreakerPercent: optional(
    '<percent|off>',
    'slows a partition down to 100 records a second while more than this percentage of its last 1,000 records are dead letters',
    { fallbackText: 'off', kind: orWord(integer({ from: 1, to: 99 }), 'off', null) },
  ),
})
const TOPOLOGY = under('Topology and models', {
  topics: setting<WorkerConfig['topics']>({
    value: '<logical=actual>',
    about: 'actual topic to use for a logical topic name of the topologies; repeatable',
    fallback: {},
    fallbackText: 'as named in the topology',
    many: true,
    kind: pairs('logical=actual'),
  }),
  models: setting<WorkerConfig['models']>({
    value: '<name=file>',
    about:
      'ONNX file to use for a model instead of the declared one, or its URL: https://…#sha256=…, or models:/name@alias of MLflow; repeatable',
    fallback: {},
    fallbackText: 'as declared in the topology',
    many: true,
    kind: {
      parse: ({ values, folder }) => {
        const files = [...pairsOf(values, 'name=file')]
        return Object.fromEntries(files.map(([name, file]) => [name, modelAt(file, folder)]))
      },
    },
  }),
  variants: setting<WorkerConfig['variants']>({
    value: '<step=model>',
    about:
      'variant that scores at a score step with variants, for all workers of the group; kept with what they commit; repeatable',
    fallback: {},
    fallbackText: 'as the group has chosen',
    many: true,
    kind: pairs('step=model'),
  }),
  evaluator: setting<WorkerConfig['evaluator']>({
    value: '<name>',
    about:
      'auto: computes tree models in the worker if the results are bit-identical, and all others in ONNX Runtime; onnxruntime: computes all models in ONNX Runtime',
    fallback: 'auto',
    kind: oneOf(['auto', 'onnxruntime']),
  }),
  providers: setting<readonly string[]>({
    value: '<name,…>',
    about:
      'execution providers of ONNX Runtime, for models that it runs: the first that works here, such as tensorrt,cuda,cpu; the last is cpu',
    fallback: ONLY_CPU,
    fallbackText: 'cpu',
    many: true,
    kind: PROVIDERS,
  }),
  cache: setting<boolean>({
    value: null,
    about:
      'do not use the cache folder (~/.cache/tidemark): measure and compare models again at each start',
    fallback: true,
    kind: SWITCH,
  }),
  maxAhead: optional(
    '<none>',
    'none: accept event times any time ahead of their record, for tests and backfills',
    { fallbackText: 'as set in the topology', kind: oneOf(['none']) },
  ),
})
const MEMORY = under('Memory', {
  maxInFlightBytes: mostMegabytes(
    'memory of each worker for records, outputs and dead letters that are not committed yet, MB',
    '256, in a container with less than 2 GB an eighth of its memory',
  ),
  maxKeys: optional(
    '<number>',
    'most keys, and most distinct strings, in the windows of each worker; events beyond that are dead letters STATE_LIMIT',
    { fallbackText: "as many as fit into half of Node's heap", kind: integer({ from: 1 }) },
  ),
  maxStateBytes: mostMegabytes(
    'most memory for the windows of each worker, MB',
    'half of the memory, or what the heap leaves of it, divided among the workers',
  ),
  maxTableBytes: mostMegabytes(
    'most memory for all lookup tables of each worker, MB; beyond that it stops, TABLE_LIMIT',
    "a quarter of Node's heap",
  ),
  maxStoreBytes: mostMegabytes(
    'most memory for the rows of stores that each worker keeps, MB; beyond that those unused for longest are asked for again',
    "an eighth of Node's heap",
  ),
  maxModelBytes: mostMegabytes(
    'most memory for all models of each worker, MB; with more it does not start, MODEL_LIMIT',
    'no limit',
  ),
})
const LOG = under('HTTP and log', {
  statusEveryMs: setting<number | 'off'>({
    value: '<seconds>',
    about: 'how often to log rates of the last minute, lag, watermark and delay, seconds; or off',
    fallback: 60_000,
    fallbackText: '60',
    kind: orWord(integer({ from: SECOND, to: 86_400 * SECOND }, SECOND), 'off', 'off' as const),
  }),
})

function mostMegabytes(about: string, fallbackText: string) {
  const kind = integer({ from: MEGABYTE }, MEGABYTE)
  return optional('<megabytes>', about, { fallbackText, kind })
}

/**
 * The settings of a worker, each with its default, bounds and unit: what the command line, the
 * environment, the config file, docs/configuration.md and `runWorker` know of them.
 */
export const WORKER_SETTINGS: Settings = { ...KAFKA, ...COMMITS, ...TOPOLOGY, ...MEMORY, ...LOG }

/** The names of the settings, as options. */
export const WORKER_OPTIONS = Object.keys(WORKER_SETTINGS) as (keyof WorkerConfig)[]

const OTHER_NAMES = {
  sessionTimeoutMs: 'sessionTimeout',
  rebuildMs: 'rebuild',
  commitIntervalMs: 'commitInterval',
  maxCommitBytes: 'maxCommitMb',
  deadLetterBreakerPercent: 'deadLetterBreaker',
  topics: 'topic',
  models: 'model',
  variants: 'variant',
  maxInFlightBytes: 'maxInFlightMb',
  maxStateBytes: 'maxStateMb',
  maxTableBytes: 'maxTableMb',
  maxStoreBytes: 'maxStoreMb',
  maxModelBytes: 'maxModelMb',
  statusEveryMs: 'statusInterval',
} as const

type SettingNames = typeof OTHER_NAMES &
  Omit<{ readonly [K in keyof WorkerConfig]: K }, keyof typeof OTHER_NAMES>

/** By option: the key in the config file, from which flag and environment variable follow. */
export const SETTING_NAMES = {
  ...Object.fromEntries(WORKER_OPTIONS.map((option) => [option, option])),
  ...OTHER_NAMES,
} as SettingNames

/** The defaults of the only worker on its machine. */
export const DEFAULT_CONFIG: WorkerConfig = Object.freeze({
  ...Object.fromEntries(WORKER_OPTIONS.map((name) => [name, WORKER_SETTINGS[name].fallback])),
  ...limitsOfMachine(),
} as WorkerConfig)

/**
 * The settings with their defaults where none is given, frozen.
 * @param workers how many share the machine @default 1
 */
export function workerConfig(given: Partial<GivenConfig>, workers = 1): WorkerConfig {
  const set = Object.entries(given).filter(([name, value]) => {
    return (value ?? null) !== null && name in WORKER_SETTINGS
  })
  const config = { ...DEFAULT_CONFIG, ...limitsOfMachine(workers), ...Object.fromEntries(set) }
  return Object.freeze(config)
}

/** Every fault of the options, each a `CONFIG_INVALID` whose `where` is the option. */
export function workerConfigFaults(given: Partial<GivenConfig>): TidemarkError[] {
  return WORKER_OPTIONS.flatMap((where) => {
    const [value, { kind }] = [given[where], WORKER_SETTINGS[where] as Setting<unknown>]
    const fault = value === undefined ? null : (kind.fault?.(value) ?? null)
    return fault === null ? [] : [new TidemarkError('CONFIG_INVALID', fault, { where })]
  })
}

/** Whether it is a valid worker name. */
export function isWorkerName(name: string): boolean {
  return /^[\w.-]{1,100}$/.test(name)
}

function workerNameFault(name: string): string | null {
  return isWorkerName(name) ? null : `"${name}" is not 1 to 100 letters, digits, ".", "_" and "-"`
}

function rebuild(raw: RawSetting): number {
  const value = single(raw)
  if (value === 'all') return Number.POSITIVE_INFINITY
  if (value === 'none') return 0
  const ms = parseDuration(value)
  if (ms !== null) return ms
  throw new Error(`"${value}" is not all, none, or a duration such as 90m, 6h, 2d`)
}

function hostAndPort(text: string): string {
  const broker = text.trim()
  const port = Number(/^(?:[^\s:/]+|\[[\da-fA-F:]+\]):(\d{1,5})$/.exec(broker)?.[1] ?? 0)
  if (port < 1 || port > 65_535) throw new Error(`"${broker}" is not host:port`)
  return broker
}
