import type { RunWorkerOptions } from '../../host/options.ts'
import { wallClock } from '../../kernel/clock.ts'
import { configFault, type TidemarkError } from '../../kernel/errors.ts'
import { type LabelOptions, labelMs, TIMES } from './labels.ts'

/** The input and the output of a batch over files. */
export interface BatchOptions extends LabelOptions {
  /** Paths or globs of NDJSON, CSV or Parquet, in the order of their names. */
  readonly input: readonly string[]
  /** A folder that does not exist; it gets a folder for each sink, and one for dead letters. */
  readonly output: string
  /** @default 'ndjson' */
  readonly format: 'ndjson' | 'parquet'
  /** The compression of Parquet. @default 'snappy' */
  readonly compression?: 'snappy' | 'zstd'
  /** The order of the events: that of the files, or by event time. @default 'files' */
  readonly order: 'files' | 'time'
  /** Partitions of the source, each with a watermark of its own. @default 6 */
  readonly partitions: number
  /** The field with the partition that an event had in the log. @default none: by its key */
  readonly partitionColumn?: string
  /** The field with the offset that an event had in the log. @default none */
  readonly offsetColumn?: string
  /** A folder for each value of a field of the outputs: `country`, or `paidAt:day`. @default none */
  readonly partitionBy?: string
  /** Files with rows of the tables whose rows are in topics, by table. @default they are empty */
  readonly table?: ReadonlyMap<string, string>
  /** Whether an output that is there is replaced. @default false */
  readonly overwrite: boolean
  /** Whether it goes on where a run that was interrupted ended. @default false */
  readonly resume: boolean
  /** Percent of dead letters from which on nothing is published. @default 100 */
  readonly failAbove?: number
  /** Whether training rows are written in place of outputs; no model is loaded. @default false */
  readonly rows: boolean
  /** Fields of the event that training rows have besides. @default [] */
  readonly with: readonly string[]
  /** Threads, each with some of the partitions. @default 1 */
  readonly workers: number
}

const PREPARE_OPTIONS = [
  ...(['models', 'variants', 'evaluator', 'providers', 'cache', 'maxAhead'] as const),
  ...(['maxTableBytes', 'maxModelBytes'] as const),
] as const

type PrepareOptions = Pick<RunWorkerOptions, (typeof PREPARE_OPTIONS)[number]>

/** The flags of `tidemark batch` for files, with their defaults. */
export interface RunBatchOptions
  extends Pick<BatchOptions, 'input' | 'output'>,
    Partial<Omit<BatchOptions, 'input' | 'output' | 'workers'>>,
    PrepareOptions {
  /** Stops the batch when it aborts; `resume` goes on later. @default never */
  readonly signal?: AbortSignal
}

export const BATCH_DEFAULTS = {
  ...({ format: 'ndjson', order: 'files', partitions: 6, with: [], workers: 1 } as const),
  ...{ overwrite: false, resume: false, rows: false },
}

/** The orders in which events are late as they were, and rows know the events before them. */
export const ORDERS = 'give files as events arrived, or --partition-column and --offset-column'
export const FORMATS: readonly string[] = ['ndjson', 'parquet']
export const FILE_ORDERS: readonly string[] = ['files', 'time']
/** Compressions of Parquet. DuckDB has them, also where Node lacks zstd. */
const COMPRESSIONS: readonly unknown[] = ['snappy', 'zstd']
/** A field that folders may be named after. */
const FIELD = /^(?!:day$)[^/\\\p{Cc}]+$/u

/** The options that prepare the topology, as a worker has them. */
export function prepareOptions(options: RunBatchOptions): PrepareOptions {
  const given = PREPARE_OPTIONS.filter((name) => options[name] !== undefined)
  return Object.fromEntries(given.map((name) => [name, options[name]]))
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function areTexts(values: unknown): boolean {
  return Array.isArray(values) && values.every(isText)
}

/** Every fault of the options, each with the flag of `tidemark batch` as its place. */
export function batchFaults({ rows, ...options }: BatchOptions): TidemarkError[] {
  const faults: TidemarkError[] = []
  const fault = (message: string, where: string, hint?: string) =>
    faults.push(configFault(message, where, hint))
  if (!isText(options.output)) fault('is needed for files', '--output')
  if (!(areTexts(options.input) && options.input.length > 0)) {
    fault('is not a list of files', '--input')
  }
  if (!(options.table === undefined || options.table instanceof Map)) {
    fault('is not a Map of files by table', '--table')
  }
  const { failAbove = 100 } = options
  if (!(failAbove >= 0 && failAbove <= 100)) fault('is not a share from 0 to 100', '--fail-above')
  if (!FORMATS.includes(options.format)) fault('is not ndjson or parquet', '--format')
  if (!FILE_ORDERS.includes(options.order)) fault('is not files or time', '--order')
  if (!(Number.isSafeInteger(options.partitions) && options.partitions > 0)) {
    fault('is not a whole number above 0', '--partitions')
  }
  if (options.compression !== undefined && options.format !== 'parquet') {
    fault('only Parquet is compressed', '--compression', 'add --format parquet')
  } else if (![undefined, ...COMPRESSIONS].includes(options.compression)) {
    fault('Parquet is compressed with snappy or zstd', '--compression')
  }
  if (!areTexts(options.with)) fault('is not a list of fields', '--with')
  else if (options.with.length > 0 && !rows)
    fault('only rows have more fields', '--with', 'add --rows')
  const { labels, labelBy, label, labelAt, within, knownTo } = options
  const needed = [labels, labelBy, label, labelAt, within]
  const count = [...needed, knownTo].filter((option) => option !== undefined).length
  if (count > 0 && !rows) fault('only rows have labels', '--labels', 'add --rows')
  if (count > 0 && needed.includes(undefined)) {
    const hint = '--labels FILE --label-by id=field --label column --label-at column --within 24h'
    fault('labels need five flags', '--labels', hint)
  }
  if (!((within ?? 1) > 0)) fault('is not a time above 0', '--within')
  if (!(labelMs(knownTo ?? 0) <= wallClock.nowMs())) fault('is not past', '--known-to', TIMES)
  if (!FIELD.test(options.partitionBy ?? 'none')) fault('is not a field name', '--partition-by')
  if (rows && options.order === 'time') fault('rows would know what came later', '--order', ORDERS)
  if (options.offsetColumn !== undefined && options.partitionColumn === undefined) {
    fault('an offset is one of a partition', '--offset-column', 'add --partition-column')
  }
  if (options.order === 'time' && options.partitionColumn !== undefined) {
    fault('the log has its own order', '--order', 'leave it out')
  }
  return faults
}
