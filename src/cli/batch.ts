import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { configFault, refuseIfAny, type TidemarkError } from '../kernel/errors.ts'
import { addPair, numberParser, parseCount } from './arguments.ts'
import { batchFiles } from './batch/batch-files.ts'
import type { BatchFlags } from './batch/job.ts'
import { scoreRows } from './batch/model-rows.ts'
import { addSettings, readConfig } from './config.ts'
import { untilSignal } from './exit.ts'
import { PREPARE_SETTINGS } from './settings.ts'

/** Partitions of a small real topic. */
const PARTITIONS = 6
const parseShare = numberParser('a percentage', (n) => n >= 0 && n <= 100)

export function batch(): Command {
  const command = new Command('batch')
    .description('score the events of files; outputs go to a folder, all or nothing')
    .argument('[file]', 'topology; without one, --model FILE scores rows with a model')
    .requiredOption(
      '--input <files>',
      'events: NDJSON (one JSON object, or KEY<TAB>JSON, a line; may be .gz), CSV or Parquet; a path or a glob, in the order of their names; repeatable',
      (path: string, before: readonly string[] | undefined) => [...(before ?? []), path],
    )
    .requiredOption('--output <dir>', 'gets a folder for each sink, and one for dead letters')
    .addOption(
      new Option('--format <name>', 'format of the outputs')
        .choices(['ndjson', 'parquet'])
        .default('ndjson'),
    )
    .addOption(
      new Option('--compression <name>', 'of Parquet')
        .choices(['snappy', 'zstd'])
        .default('snappy'),
    )
    .addOption(
      new Option('--order <name>', 'order of the events: that of the files, or by event time')
        .choices(['files', 'time'])
        .default('files'),
    )
    .option(
      '--partitions <n>',
      'partitions of the source; each has its own watermark, so their number affects what is late',
      parseCount,
      PARTITIONS,
    )
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
    .option('--within <time>', 'how long after its event a label counts: 24h', parseDuration)
    .action(async (file: string | undefined, flags: Flags, own: Command) => {
      if (file === undefined) await startModel(flags, own)
      else await start(file, flags)
    })
  return addSettings(command, [...PREPARE_SETTINGS, 'workers'])
}

interface Flags extends BatchFlags {
  readonly model?: readonly string[]
}

async function start(file: string, flags: Flags): Promise<void> {
  const [path] = flags.model?.filter((given) => !given.includes('=')) ?? []
  if (path !== undefined) {
    const hint = 'leave out the topology to score rows with a model, or give name=file'
    throw configFault(`"${path}" is not name=file`, '--model', hint)
  }
  const config = readConfig([...PREPARE_SETTINGS, 'workers'], flags)
  refuseIfAny(contradictions(flags))
  const ended = untilSignal()
  try {
    const own = { ...flags, output: resolve(flags.output) }
    await batchFiles({ file, flags: own, config, workers: config.workers }, ended)
  } finally {
    ended.dispose()
  }
}

/** The flags of a model without a topology. */
const OF_MODEL =
  'input output format compression overwrite resume failAbove model evaluator config'.split(' ')

async function startModel(flags: Flags, command: Command): Promise<void> {
  const { evaluator } = readConfig(['evaluator'], flags)
  const others = command.options.filter((option) => {
    const name = option.attributeName()
    return !OF_MODEL.includes(name) && command.getOptionValueSource(name) === 'cli'
  })
  const [file, ...more] = flags.model ?? []
  const how = 'tidemark batch FILE for a topology, or --model FILE for rows and a model'
  refuseIfAny([
    ...others.map((option) => configFault('needs a topology', option.long ?? '', how)),
    ...(more.length > 0 ? [configFault('rows are scored by one model', '--model', how)] : []),
    ...contradictions(flags),
  ])
  if (file === undefined || (file.includes('=') && !existsSync(file))) {
    const what = file === undefined ? 'there is no topology' : `there is no topology for ${file}`
    throw configFault(what, 'batch', how)
  }
  const ended = untilSignal()
  try {
    const own = { ...flags, output: resolve(flags.output) }
    await scoreRows(file, { flags: own, evaluator }, ended)
  } finally {
    ended.dispose()
  }
}

function contradictions({ overwrite, resume, rows, ...flags }: BatchFlags): TidemarkError[] {
  const faults: TidemarkError[] = []
  const fault = (what: string, where: string, hint?: string) =>
    faults.push(configFault(what, where, hint))
  if (overwrite && resume) fault('--overwrite and --resume exclude each other', '--resume')
  if (flags.compression !== 'snappy' && flags.format !== 'parquet') {
    fault('only Parquet is compressed', '--compression', 'add --format parquet')
  }
  if (flags.with.length > 0 && !rows) fault('only rows have more fields', '--with', 'add --rows')
  const of = [flags.labels, flags.labelBy, flags.label, flags.labelAt, flags.within]
  const given = of.filter((flag) => flag !== undefined).length
  if (given > 0 && !rows) fault('only rows have labels', '--labels', 'add --rows')
  if (given > 0 && given < of.length) {
    const hint = '--labels FILE --label-by id=field --label column --label-at column --within 24h'
    fault('labels need five flags', '--labels', hint)
  }
  if (flags.offsetColumn !== undefined && flags.partitionColumn === undefined) {
    fault('an offset is one of a partition', '--offset-column', 'add --partition-column')
  }
  if (flags.order === 'time' && flags.partitionColumn !== undefined) {
    fault('the log has its own order', '--order', 'leave it out')
  }
  return faults
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

function parseDuration(text: string): number {
  const [, n, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? []
  if (unit === undefined) throw new InvalidArgumentError('must be a time such as 30m, 24h or 7d')
  return Number(n) * UNITS[unit as keyof typeof UNITS]
}
