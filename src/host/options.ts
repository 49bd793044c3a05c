import { COMPRESSIONS, type Compression, compressionFault } from '../kernel/compression.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { Log } from '../observe/log.ts'
import {
  type KafkaSasl,
  type KafkaTls,
  kafkaFaults,
  SESSION_TIMEOUT_MS,
} from '../records/kafka/options.ts'
import type { From, Guarantee } from '../records/port.ts'
import type { RegistryOptions } from '../registry/confluent-registry.ts'
import { MAX_COMMIT_BYTES, MAX_IN_FLIGHT_BYTES } from '../runtime/byte-limits.ts'
import type { Observer } from '../runtime/events.ts'

/** How a worker runs. An option that is left out has the default of `tidemark run`. */
export interface RunWorkerOptions {
  /** Bootstrap brokers, each as `host:port`. @default 127.0.0.1:9092 */
  readonly brokers?: readonly string[]
  /** Certificates, or `true` for those that Node trusts. @default no TLS */
  readonly tls?: KafkaTls | true
  /**
   * How to log in with the brokers. What would send a password or a token in plain text is refused
   * without TLS.
   * @default no login
   */
  readonly sasl?: KafkaSasl
  /**
   * Schema registry with Confluent's API, for topologies whose values have schemas in one.
   * @default none
   */
  readonly registry?: RegistryOptions
  /**
   * Consumer group; workers of one group share the partitions.
   * @default the names of the topologies, joined with `+`
   */
  readonly group?: string
  /** The guarantee when a worker dies in the middle of its work. @default 'exactly-once' */
  readonly guarantee?: Guarantee
  /**
   * How batches of outputs and dead letters are compressed; a sink's own `compression` goes first.
   * `zstd` needs Node 22.15, 23.8 or newer.
   * @default 'none'
   */
  readonly compression?: Compression
  /**
   * The worker's name, unique in its group and kept over restarts: after a restart, also after a
   * crash, the worker gets its partitions back at once. 1 to 100 letters, digits, `.`, `_` and `-`;
   * `none`: it has no name, and after a crash its partitions wait for `sessionTimeoutMs`.
   * @default `<host>-<number>`, with the first number that no other worker of the group has on this
   * host: `<host>-1`
   */
  readonly workerName?: string
  /** Where a group without committed offsets begins. @default 'earliest' */
  readonly from?: From
  /**
   * How much of the log is read to rebuild windows when the committed offset has no restart note,
   * ms; 0: nothing.
   * @default +Infinity, all of it
   */
  readonly rebuildMs?: number
  /**
   * Time between commits, ms, 1 to 60,000.
   * @default 10, under heavy load up to 250; under at-least-once 3 to 100
   */
  readonly commitIntervalMs?: number
  /** Largest size of one commit, bytes. @default 16 MB */
  readonly maxCommitBytes?: number
  /**
   * Memory for records, outputs and dead letters that are not committed yet, bytes.
   * @default 256 MB
   */
  readonly maxInFlightBytes?: number
  /**
   * When more than this share of a partition's last 1,000 records are dead letters, the partition
   * continues at 100 records a second, %, 1 to 99.
   * @default never
   */
  readonly deadLetterBreakerPercent?: number
  /**
   * Session timeout: a worker that sends no heartbeat for this time is removed from the group, ms,
   * 1,000 to 1,800,000.
   * @default 10,000
   */
  readonly sessionTimeoutMs?: number
  /**
   * The most keys, and the most distinct texts, in the windows of this worker.
   * @default what half of Node's heap holds
   */
  readonly maxKeys?: number
  /** Memory for the windows of this worker, bytes. @default half of the memory */
  readonly maxStateBytes?: number
  /** Memory for all lookup tables of this worker, bytes. @default a quarter of Node's heap */
  readonly maxTableBytes?: number
  /** Memory for all models of this worker, bytes. @default no limit */
  readonly maxModelBytes?: number
  /** Topic name in the topology → the topic to use instead. @default the topology's own names */
  readonly topics?: Readonly<Record<string, string>>
  /** Model name → the ONNX file to use instead. @default the declared files */
  readonly models?: Readonly<Record<string, string>>
  /**
   * Score step → the name of the variant that scores, for steps with `variants`. Give it to all
   * workers of the group: it is kept with what they commit.
   * @default the one that the group has chosen
   */
  readonly variants?: Readonly<Record<string, string>>
  /**
   * What computes the models: `auto` computes trees in this process where the results are bit for
   * bit those of ONNX Runtime; `onnxruntime` runs every model in ONNX Runtime.
   * @default 'auto'
   */
  readonly evaluator?: 'auto' | 'onnxruntime'
  /**
   * Whether what a start learns about models is kept for the next one, in the user's cache folder.
   * @default true
   */
  readonly cache?: boolean
  /** Switches the future guard off, for tests and backfills. @default as the topology says */
  readonly maxAhead?: 'none'
  /**
   * Called with what the worker does: at most a few events a chunk, never a payload or a key. An
   * observer that throws does no harm.
   */
  readonly observer?: Observer
  /** The log, such as a pino logger or `console`. @default none */
  readonly log?: Log
  /** How often the worker's status is logged, ms, or `'off'`. @default 60,000 */
  readonly statusEveryMs?: number | 'off'
  /** Serves `/metrics`, `/livez` and `/readyz`; port 0 picks a free one. @default no HTTP server */
  readonly http?: { readonly port: number; readonly host?: string }
  /** Stops the worker when it aborts, as `stop()` does. @default never */
  readonly signal?: AbortSignal
}

/** Defaults of the options that have a fixed one. */
export const DEFAULTS = {
  brokers: ['127.0.0.1:9092'],
  guarantee: 'exactly-once',
  compression: 'none',
  from: 'earliest',
  rebuildMs: Number.POSITIVE_INFINITY,
  maxCommitBytes: MAX_COMMIT_BYTES,
  maxInFlightBytes: MAX_IN_FLIGHT_BYTES,
  sessionTimeoutMs: SESSION_TIMEOUT_MS,
  statusEveryMs: 60_000,
} as const satisfies RunWorkerOptions

interface Range {
  readonly from: number
  readonly to: number
}

/** Bounds of the numeric options, inclusive; all are whole numbers. */
export const RANGES = {
  commitIntervalMs: { from: 1, to: 60_000 },
  maxCommitBytes: { from: 1_000_000, to: 1_000_000_000 },
  maxInFlightBytes: { from: 1_000_000, to: Number.MAX_SAFE_INTEGER },
  deadLetterBreakerPercent: { from: 1, to: 99 },
  sessionTimeoutMs: { from: 1_000, to: 1_800_000 },
  maxKeys: { from: 1, to: Number.MAX_SAFE_INTEGER },
  maxStateBytes: { from: 1_000_000, to: Number.MAX_SAFE_INTEGER },
  maxTableBytes: { from: 1_000_000, to: Number.MAX_SAFE_INTEGER },
  maxModelBytes: { from: 1_000_000, to: Number.MAX_SAFE_INTEGER },
  statusEveryMs: { from: 1_000, to: 86_400_000 },
} as const satisfies Partial<Record<keyof RunWorkerOptions, Range>>

const REBUILD_RANGE: Range = { from: 0, to: Number.MAX_SAFE_INTEGER }
const PORTS: Range = { from: 0, to: 65_535 }

/** Is it a valid worker name? */
export function isWorkerName(name: string): boolean {
  return /^[\w.-]{1,100}$/.test(name)
}

/** Every fault of the options, each a `CONFIG_INVALID` whose `where` is the option. */
export function optionFaults(options: RunWorkerOptions): TidemarkError[] {
  const { brokers = DEFAULTS.brokers, tls, sasl } = options
  const given = { brokers, ...(tls && { tls }), ...(sasl && { sasl }) }
  return [...kafkaFaults(given), ...textFaults(options), ...numberFaults(options)]
}

function textFaults({
  guarantee,
  compression = DEFAULTS.compression,
  from,
  group,
  workerName,
  evaluator,
}: RunWorkerOptions): TidemarkError[] {
  const faults: TidemarkError[] = []
  const oneOf = (where: string, value: string | undefined, names: readonly string[]) => {
    if (value === undefined || names.includes(value)) return
    faults.push(invalid(where, `"${value}" is not ${names.join(' or ')}`))
  }
  oneOf('guarantee', guarantee, ['exactly-once', 'at-least-once'] satisfies Guarantee[])
  oneOf('compression', compression, COMPRESSIONS)
  const fault = compressionFault(compression)
  if (fault !== null) faults.push(invalid('compression', fault))
  oneOf('from', from, ['earliest', 'latest'] satisfies From[])
  oneOf('evaluator', evaluator, ['auto', 'onnxruntime'])
  if (group === '') faults.push(invalid('group', 'is empty'))
  if (workerName !== undefined && !isWorkerName(workerName)) {
    const what = `"${workerName}" is not 1 to 100 letters, digits, ".", "_" and "-"`
    faults.push(invalid('workerName', what))
  }
  return faults
}

function numberFaults(options: RunWorkerOptions): TidemarkError[] {
  const { rebuildMs = DEFAULTS.rebuildMs, http } = options
  const faults: TidemarkError[] = []
  const within = (where: string, value: number | undefined, { from, to }: Range) => {
    if (value === undefined || (Number.isInteger(value) && value >= from && value <= to)) return
    faults.push(invalid(where, `${String(value)} is not a whole number from ${from} to ${to}`))
  }
  for (const [name, range] of Object.entries(RANGES)) {
    const value = options[name as keyof typeof RANGES]
    if (value !== 'off') within(name, value, range)
  }
  if (rebuildMs !== DEFAULTS.rebuildMs) within('rebuildMs', rebuildMs, REBUILD_RANGE)
  within('http.port', http?.port, PORTS)
  return faults
}

function invalid(where: string, message: string): TidemarkError {
  return new TidemarkError('CONFIG_INVALID', message, { where })
}
