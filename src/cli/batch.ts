import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { LogPoint } from '../connect/port.ts'
import { modelOfFile } from '../host/model-of-file.ts'
import { configOf, PREPARE_SETTINGS, RUN_SETTINGS, type RunConfig } from '../host/settings.ts'
import { batchFiles, RESUMABLE } from '../jobs/batch/batch-files.ts'
import {
  type BatchOptions,
  batchFaults,
  FILE_ORDERS,
  FORMATS,
} from '../jobs/batch/batch-options.ts'
import { scoreRows } from '../jobs/batch/model-rows.ts'
import { configFault, refuseIfAny, type TidemarkError } from '../kernel/errors.ts'
import { parseDuration } from '../kernel/time.ts'
import { toStderr } from '../observe/log.ts'
import { loadSingle } from '../scoring/models.ts'
import { addPair, numberParser, partitionsOption } from './arguments.ts'
import { addSettings, readConfig } from './config.ts'
import { POINTS, parsePoint } from './consume.ts'
import { endInterrupted, withSignal } from './exit.ts'
import { BATCH_MS } from './model-evaluate.ts'
import { say, sayNotes, sayTo } from './print.ts'
import { TERMINAL } from './progress.ts'
import { processOutput } from './run-output.ts'

const KAFKA = 'kafka:'
const FILE_SETTINGS = [...PREPARE_SETTINGS, 'workers'] as const
const SHARED_FLAGS: readonly string[] = ['input', 'config', 'compression', ...FILE_SETTINGS]
const parseShare = numberParser('a percentage', (n) => n >= 0 && n <= 100)

/** The flags that need no topology. */
const ROW_FLAGS: readonly string[] = [
  ...['input', 'output', 'format', 'compression', 'overwrite', 'failAbove'],
  ...['model', 'evaluator', 'providers', 'config'],
]

/** The settings of `tidemark run` that a range of a topic does not have. */
const RUN_DEFAULTS = {
  ...({
    from: 'earliest',
    workers: 1,
    httpPort: 'off',
    httpHost: '',
    httpTokenFile: null,
  } as const),
  ...{ predictPort: null, predictHost: '', predictTokenFile: null, predictAdvertise: null },
} as const
const RANGE_SETTINGS = RUN_SETTINGS.filter((name) => !(name in RUN_DEFAULTS))

interface RangeFlags extends Record<string, unknown> {
  readonly from: LogPoint
  readonly to: LogPoint
  readonly intoLive?: true
}

type FileFlags = Omit<BatchOptions, 'workers'> & Record<string, unknown>
type Flags = FileFlags & RangeFlags & { readonly model?: readonly string[] }

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
      new Option('--format <name>', 'format of the outputs').choices(FORMATS).default('ndjson'),
    )
    .addOption(
      new Option('--order <name>', 'order of the events: that of the files, or by event time')
        .choices(FILE_ORDERS)
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
  return command.action((file: string | undefined, flags: Flags) => {
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
    return isRange ? scoreRange(file, topic, flags) : scoreFiles(file, flags)
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

/** The number of workers is for files: those of a group may be on any machine. */
function addRangeOptions(command: Command): Command {
  const TO = `where to end in each partition, the same; latest: where it ends when the group starts`
  command
    .option('--from <place>', `where to start in each partition: ${POINTS}`, parsePoint, 'earliest')
    .option('--to <place>', TO, parsePoint, 'latest')
    .option(
      '--into-live',
      "write to the topology's own topics and to systems outside, which have live readers",
    )
  return addSettings(command, [...RANGE_SETTINGS, 'workers'])
}

async function scoreRange(file: string, topic: string, flags: RangeFlags): Promise<void> {
  const stderr = toStderr()
  sayTo(stderr)
  const config: RunConfig = { ...readConfig(RANGE_SETTINGS, flags), ...RUN_DEFAULTS }
  const { from, to, intoLive: isIntoLive = false } = flags
  await withSignal(async (stop) => {
    const { runRange } = await import('../jobs/topic-range.ts')
    const job = { file, topic, range: { from, to }, isIntoLive, config }
    const tally = await runRange(job, processOutput(config, stop, stderr))
    tally.report(TERMINAL)
    const line = 'what is committed stays: the same command continues from there'
    if (stop.aborted) endInterrupted(line)
  })
}

async function scoreFiles(topology: string | undefined, flags: Flags): Promise<void> {
  // Without a topology, --model is a file and no setting.
  const settings = topology === undefined ? { ...flags, model: undefined } : flags
  const { workers, ...values } = readConfig(FILE_SETTINGS, settings)
  refuseIfAny(batchFaults({ ...flags, workers }))
  const options = { ...flags, output: resolve(flags.output), workers }
  await withSignal(async (stop) => {
    const context = { report: TERMINAL, stop }
    if (topology === undefined) {
      const model = await modelOfFile(flags.model?.[0] as string)
      const { evaluator, providers } = values
      const choice = { evaluator, providers, latencyBudgetMs: BATCH_MS }
      const { scorer, notes } = await loadSingle(model, choice)
      sayNotes(notes)
      try {
        const result = await scoreRows({ model, scorer }, options, context)
        if (result === null) endInterrupted('stopped; nothing is published')
      } finally {
        await scorer.close()
      }
    } else {
      const job = { topology, options, config: configOf(values) }
      const result = await batchFiles(job, context)
      if (result === null) endInterrupted(RESUMABLE)
      if (result === 'complete') say(`${options.output} is complete already`)
    }
  })
}

function parseWithin(text: string): number {
  const ms = parseDuration(text)
  if (ms === null) throw new InvalidArgumentError('must be a time such as 30m, 24h or 7d')
  return ms
}
