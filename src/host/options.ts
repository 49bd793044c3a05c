import { TidemarkError } from '../kernel/errors.ts'
import type { Log } from '../observe/log.ts'
import {
  type KafkaSasl,
  type KafkaTls,
  kafkaFaults,
  SESSION_TIMEOUT_MS,
} from '../records/kafka/options.ts'
import type { From, Guarantee } from '../records/port.ts'
import { MAX_COMMIT_BYTES, MAX_IN_FLIGHT_BYTES } from '../runtime/byte-limits.ts'
import type { Observer } from '../runtime/events.ts'

/** How a worker runs. Whatever is left out is as `tidemark run` has it. */
export interface RunWorkerOptions {
  /** `host:port` of brokers to ask first. @default 127.0.0.1:9092 */
  readonly brokers?: readonly string[]
  /** Certificates, or `true` for those that Node trusts. @default no TLS */
  readonly tls?: KafkaTls | true
  /** PLAIN is refused without TLS. @default no login */
  readonly sasl?: KafkaSasl
  /**
   * Consumer group; workers of one group share the partitions. @default the topologies' names, with
   * `+` between them
   */
  readonly group?: string
  /** What holds when a worker ends in the middle of its work. @default 'exactly-once' */
  readonly guarantee?: Guarantee
  /**
   * This worker's own in its group, kept over restarts: it then has its partitions back at once,
   * also after a crash. 1 to 100 letters, digits, `.`, `_` and `-`; `none`: it has no name, and
   * after a crash its partitions wait for `sessionTimeoutMs`. @default host and number, `<host>-1`:
   * of the group's workers on this host the first number that is free
   */
  readonly workerName?: string
  /** Where a group that has committed nothing begins. @default 'earliest' */
  readonly from?: From
  /**
   * How much of the log windows are made of where no note stands beside the offset, ms; 0: nothing.
   * @default +Infinity, all of it
   */
  readonly rebuildMs?: number
  /**
   * From one commit to the next, ms, 1 to 60,000. @default 10, with much load up to 250; at least
   * once 3 to 100
   */
  readonly commitIntervalMs?: number
  /** The most that one commit writes, bytes. @default 16 MB */
  readonly maxCommitBytes?: number
  /**
   * Memory for records, outputs and dead letters on their way to a commit, bytes. @default 256 MB
   */
  readonly maxInFlightBytes?: number
  /**
   * When more than so many of a partition's last 1,000 records are dead letters, it goes on at 100
   * a second, %, 1 to 99.
   * @default never
   */
  readonly deadLetterBreakerPercent?: number
  /**
   * A worker that the group has not heard of for so long is replaced, ms, 1,000 to 1,800,000.
   * @default 10,000
   */
  readonly sessionTimeoutMs?: number
  /**
   * Keys, and as many texts, that the windows of this worker may hold. @default what half of Node's
   * heap holds
   */
  readonly maxKeys?: number
  /** Memory that the windows of this worker may take, bytes. @default half of the memory */
  readonly maxStateBytes?: number
  /** A topology's name of a topic → the topic to use. @default as named */
  readonly topics?: Readonly<Record<string, string>>
  /** A model's name → the ONNX file to use. @default as declared */
  readonly models?: Readonly<Record<string, string>>
  /**
   * Who computes models: `auto` computes trees in this process where they give ONNX Runtime's bits,
   * `onnxruntime` runs all in ONNX Runtime.
   * @default 'auto'
   */
  readonly evaluator?: 'auto' | 'onnxruntime'
  /**
   * Whether what a start finds out about models is kept for the next one, in the user's cache
   * folder. @default true
   */
  readonly cache?: boolean
  /** Switches the future guard off, for tests and backfills. @default as the topology says */
  readonly maxAhead?: 'none'
  /**
   * Told what the worker does, at most a few events a chunk, never a payload or a key. One that
   * throws harms nothing.
   */
  readonly observer?: Observer
  /** Where log lines go, such as a pino logger or `console`. @default nowhere */
  readonly log?: Log
  /** How often the log says how the worker gets on, ms, or never. @default 60,000 */
  readonly statusEveryMs?: number | 'off'
  /** Serves `/metrics`, `/livez` and `/readyz`; port 0 takes a free one. @default no HTTP server */
  readonly http?: { readonly port: number; readonly host?: string }
  /** Stops the worker when it aborts, as `stop()` does. @default never */
  readonly signal?: AbortSignal
}

export const DEFAULTS = {
  brokers: ['127.0.0.1:9092'],
  guarantee: 'exactly-once',
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

/** Whole numbers, unless said otherwise. */
export const RANGES = {
  commitIntervalMs: { from: 1, to: 60_000 },
  maxCommitBytes: { from: 1_000_000, to: 1_000_000_000 },
  maxInFlightBytes: { from: 1_000_000, to: Number.MAX_SAFE_INTEGER },
  deadLetterBreakerPercent: { from: 1, to: 99 },
  sessionTimeoutMs: { from: 1_000, to: 1_800_000 },
  maxKeys: { from: 1, to: Number.MAX_SAFE_INTEGER },
  maxStateBytes: { from: 1_000_000, to: Number.MAX_SAFE_INTEGER },
  statusEveryMs: { from: 1_000, to: 86_400_000 },
} as const satisfies Partial<Record<keyof RunWorkerOptions, Range>>

const REBUILD_RANGE: Range = { from: 0, to: Number.MAX_SAFE_INTEGER }
const PORTS: Range = { from: 0, to: 65_535 }

/** Can it be a worker's name? */
export function isWorkerName(name: string): boolean {
  return /^[\w.-]{1,100}$/.test(name)
}

/** All that is wrong with the options, each a `CONFIG_INVALID` whose place is the option. */
export function optionFaults(options: RunWorkerOptions): TidemarkError[] {
  const { brokers = DEFAULTS.brokers, tls, sasl } = options
  const given = { brokers, ...(tls && { tls }), ...(sasl && { sasl }) }
  return [...kafkaFaults(given), ...textFaults(options), ...numberFaults(options)]
}

function textFaults({
  guarantee,
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
