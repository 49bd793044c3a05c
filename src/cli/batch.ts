import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { wallClock } from '../kernel/clock.ts'
import { configFault, refuseIfAny, type TidemarkError } from '../kernel/errors.ts'
import { parseDuration } from '../kernel/time.ts'
import { addPair, numberParser, partitionsOption } from './arguments.ts'
import { batchFiles, ORDERS } from './batch/batch-files.ts'
import type { BatchFlags } from './batch/job.ts'
import { labelMs, TIMES } from './batch/labels.ts'
import { scoreRows } from './batch/model-rows.ts'
import { addRangeOptions, type RangeFlags, runRange } from './batch-range.ts'
import { readConfig } from './config.ts'
import { untilSignal } from './exit.ts'
import { PREPARE_SETTINGS } from './settings.ts'

const SAVED_EVERY_MS = 5_000
const KAFKA = 'kafka:'
const FILE_SETTINGS = [...PREPARE_SETTINGS, 'workers'] as const
const SHARED_FLAGS: readonly string[] = ['input', 'config', 'compression', ...FILE_SETTINGS]
/** Compressions of Parquet. DuckDB has them, also where Node lacks zstd. */
const COMPRESSIONS: readonly unknown[] = ['snappy', 'zstd']
/** A field that folders may be named after. */
const FIELD = /^(?!:day$)[^/\\\p{Cc}]+$/u
const parseShare = numberParser('a percentage', (n) => n >= 0 && n <= 100)

/** The flags that need no topology. */
const ROW_FLAGS: readonly string[] = [
  ...['input', 'output', 'format', 'compression', 'overwrite', 'failAbove'],
  ...['model', 'evaluator', 'config'],
]

type Flags = BatchFlags & { readonly model?: readonly string[] }

export function batch(): Command {
  const command = new Command('batch')
    .description(
      'score the events of files into a folder, all or nothing; or a bounded range of a topic, in a consumer group of its own',
    )
    .argument('[file]', 'topology; without one, --model FILE scores rows with a model')
    .requiredOption(
      '--input <files>',
      'events: NDJSON (one JSON object, or KEY<TAB>JSON, a line; may be .gz), CSV or Parquet; a path or a glob, in the order of their names; repeatable; or kafka:TOPIC',
      (path: string, before: readonly string[] | undefined) => [...(before ?? []), path],
    )
    .optionsGroup('Files:')
    .option('--output <dir>', 'gets a folder for each sink, and one for dead letters')
    .addOption(
      new Option('--format <name>', 'format of the outputs')
        .choices(['ndjson', 'parquet'])
        .default('ndjson'),
    )
    .addOption(
      new Option('--order <name>', 'order of the events: that of the files, or by event time')
        .choices(['files', 'time'])
        .default('files'),
    )
    .addOption(partitionsOption())
    .option('--partition-column <name>', 'field with the partition that an event had in the log')
    .option('--offset-column <name>', 'field with the offset that an event had in the log')
    .option(
      '--partition-by <field>',
      'a folder for each value of a field of the outputs, or field:day for each day of a time',
    )
    .option('--table <name=file>', 'rows of a table whose rows are in a topic; repeatable', addPair)
    .option('--overwrite', 'replace an output that is there', false)
    .option('--resume', 'continue where an interrupted run was', false)
    .option(
      '--fail-above <percent>',
      'fail, and publish nothing, if more of the records are dead letters',
      (text: string) => parseShare(text.replace(/%$/, '')),
    )
  addRowOptions(command.optionsGroup('Training rows from files:'))
  const fileOptions = command.options.slice(1)
  addRangeOptions(command.optionsGroup('A range of a topic:'))
  return command.action((file: string | undefined, flags: Flags & RangeFlags) => {
    refuseIfAny(modelFaults(file, flags))
    const topic = flags.input.find((path) => path.startsWith(KAFKA))?.slice(KAFKA.length)
    if (topic !== undefined && flags.input.length > 1) {
      const hint = 'run a batch for each topic, each with its own --group'
      throw configFault(`${KAFKA}${topic} cannot be read with other inputs`, '--input', hint)
    }
    const strange = command.options.filter((option) => {
      const name = option.attributeName()
      if (command.getOptionValueSource(name) !== 'cli') return false
      if (file === undefined) return !ROW_FLAGS.includes(name)
      if (topic !== undefined) return fileOptions.includes(option) || name === 'workers'
      return !fileOptions.includes(option) && !SHARED_FLAGS.includes(name)
    })
    const reason = topic === undefined ? `is only for --input ${KAFKA}TOPIC` : 'is only for files'
    const message = file === undefined ? 'needs a topology' : reason
    refuseIfAny(strange.map(({ long }) => configFault(message, long ?? '')))
    const isRange = topic !== undefined && file !== undefined
    return isRange ? runRange(file, topic, flags) : scoreFiles(file, flags)
  })
}

/** Faults if not either a topology is given or, as --model, the file of a model. */
function modelFaults(file: string | undefined, { model = [] }: Flags): TidemarkError[] {
  const paths = model.filter((path) => !/^[^/\\=]+=/.test(path))
  if (file !== undefined) {
    const hint = 'leave out the topology to score rows with a model'
    return paths.map((path) => configFault(`"${path}" is not name=file`, '--model', hint))
  }
  if (paths.length === 1 && model.length === 1) return []
  const how = 'tidemark batch TOPOLOGY, or tidemark batch --model FILE for rows'
  return [configFault('there is no topology, and not the file of one model', '--model', how)]
}

function addRowOptions(command: Command): void {
  command
    .option('--rows', 'training rows instead of outputs: no model is loaded', false)
    .option(
      '--with <fields>',
      'fields of the event that rows have besides, separated by commas',
      (text: string) => text.split(','),
      [],
    )
    .option('--labels <file>', 'labels of the rows: NDJSON, CSV or Parquet')
    .option('--label-by <column=field>', 'column of the labels that is a field of the event')
    .option('--label <column>', 'column of the labels with the label')
    .option('--label-at <column>', 'column of the labels with when it became known')
    .option('--within <time>', 'how long after its event a label counts: 24h', parseWithin)
    .option('--known-to <time>', 'when labels were last known (default: at the last label)')
}

async function scoreFiles(file: string | undefined, flags: Flags): Promise<void> {
  // Without a topology, --model is a file and no setting.
  const settings = file === undefined ? { ...flags, model: undefined } : flags
  const config = readConfig(FILE_SETTINGS, settings)
  refuseIfAny(contradictions(flags))
  const ended = untilSignal()
  try {
    const copy = { ...flags, output: resolve(flags.output) }
    const { workers } = config
    if (file === undefined) {
      await scoreRows(flags.model?.[0] as string, { ...config, flags: copy }, ended)
    } else {
      await batchFiles({ file, flags: copy, config, workers, savedEveryMs: SAVED_EVERY_MS }, ended)
    }
  } finally {
    ended.dispose()
  }
}

function contradictions({ rows, ...flags }: BatchFlags): TidemarkError[] {
  const faults: TidemarkError[] = []
  const fault = (message: string, where: string, hint?: string) =>
    faults.push(configFault(message, where, hint))
  if (flags.output === undefined) fault('is needed for files', '--output')
  if (flags.compression !== undefined && flags.format !== 'parquet') {
    fault('only Parquet is compressed', '--compression', 'add --format parquet')
  } else if (![undefined, ...COMPRESSIONS].includes(flags.compression)) {
    fault('Parquet is compressed with snappy or zstd', '--compression')
  }
  if (flags.with.length > 0 && !rows) fault('only rows have more fields', '--with', 'add --rows')
  const labelFlags = [flags.labels, flags.labelBy, flags.label, flags.labelAt, flags.within]
  const count = [...labelFlags, flags.knownTo].filter((flag) => flag !== undefined).length
  if (count > 0 && !rows) fault('only rows have labels', '--labels', 'add --rows')
  if (count > 0 && labelFlags.includes(undefined)) {
    const hint = '--labels FILE --label-by id=field --label column --label-at column --within 24h'
    fault('labels need five flags', '--labels', hint)
  }
  if (!(labelMs(flags.knownTo ?? 0) <= wallClock.nowMs())) fault('is not past', '--known-to', TIMES)
  if (!FIELD.test(flags.partitionBy ?? 'none')) fault('is not a field name', '--partition-by')
  if (rows && flags.order === 'time') fault('rows would know what came later', '--order', ORDERS)
  if (flags.offsetColumn !== undefined && flags.partitionColumn === undefined) {
    fault('an offset is one of a partition', '--offset-column', 'add --partition-column')
  }
  if (flags.order === 'time' && flags.partitionColumn !== undefined) {
    fault('the log has its own order', '--order', 'leave it out')
  }
  return faults
}

function parseWithin(text: string): number {
  const ms = parseDuration(text)
  if (ms === null) throw new InvalidArgumentError('must be a time such as 30m, 24h or 7d')
  return ms
}
