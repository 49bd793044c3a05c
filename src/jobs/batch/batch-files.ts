import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { InputLines } from '../../connect/files/input-lines.ts'
import type { PartitionLines } from '../../connect/files/partition-lines.ts'
import { NUMERIC } from '../../connect/files/tabular.ts'
import { MANIFEST, WorkFolder } from '../../connect/files/work-folder.ts'
import { fieldRules } from '../../formats/json/field-rules.ts'
import { checkedConfig } from '../../host/options.ts'
import { summaryOf } from '../../host/topology-lines.ts'
import { configFault, TidemarkError } from '../../kernel/errors.ts'
import { groupedBy } from '../../kernel/grouped.ts'
import { jsonObject } from '../../kernel/json.ts'
import { plural, table } from '../../kernel/wording.ts'
import type { Outcomes } from '../../runtime/events.ts'
import { type PreparedTopology, scorersOf } from '../../runtime/prepared.ts'
import type { Definition } from '../../topology/definition.ts'
import { LinePartitioner } from '../lines/line-partitioner.ts'
import { MANY_DEAD, summaryOfOutcomes } from '../outcome-tally.ts'
import { type JobReport, noteShare, SILENT } from '../report.ts'
import { checkRows, tablesInTopics } from '../table-rows.ts'
import {
  BATCH_DEFAULTS,
  type BatchOptions,
  batchFaults,
  ORDERS,
  prepareOptions,
  type RunBatchOptions,
} from './batch-options.ts'
import { BatchWorker } from './batch-worker.ts'
import {
  type FinishOptions,
  finish,
  type HashedFile,
  hashedFiles,
  mergedSaved,
  outcomesOf,
} from './finish.ts'
import { type Job, prepareJob, type Saved } from './job.ts'
import { checkFolders } from './outputs.ts'
import { sortByTime, sortedBlocks } from './sorted-lines.ts'
import { BatchWorkerThread } from './worker-thread.ts'

/** More than this share of late events, or of rows without a label, is told, percent. */
const MANY_LATE = 10
const MANY_UNLABELLED = 50

/** The output of a batch. */
export interface BatchResult {
  /** By outcome, the records that had it. */
  readonly outcomes: Outcomes
  /** One for each sink, and one for dead letters, if they have rows; by name. */
  readonly folders: readonly OutputFolder[]
}

interface OutputFolder {
  readonly name: string
  readonly rows: number
  /** Rows that have a label. */
  readonly labelled: number
  readonly files: number
}

export interface JobContext {
  readonly report: JobReport
  /** Tells the job to stop when it aborts. */
  readonly stop: AbortSignal
}

/**
 * Scores files: all of the output, or nothing.
 * @returns `null`: it was told to stop, and can go on; `complete`: the output was there already
 */
export async function batchFiles(asked: Asked, context: JobContext) {
  const loaded = await prepareJob(asked)
  const { report } = context
  const { output, resume, table: rows = new Map() } = asked.options
  try {
    report.say(summaryOf(loaded.topology))
    for (const note of loaded.prepared.notes) report.note(note)
    checkRows('table', tablesInTopics(loaded.topology.definition), { rows, report })
    const folder = await WorkFolder.lock(output, { isKept: resume })
    try {
      return await run(asked, { ...loaded, ...context, folder })
    } finally {
      await folder.release()
    }
  } finally {
    await loaded.prepared.close()
  }
}

/** Does what {@link runBatch} says. */
export async function batchInProgram(topology: Definition, options: RunBatchOptions) {
  const { signal, ...given } = options ?? {}
  const asked = { ...BATCH_DEFAULTS, ...given }
  const config = checkedConfig([topology], prepareOptions(given), batchFaults(asked))
  const whole = { ...asked, output: resolve(given.output) }
  const stop = signal ?? new AbortController().signal
  const result = await batchFiles({ topology, options: whole, config }, { report: SILENT, stop })
  return result === 'complete' ? null : result
}

type Asked = Omit<Job, 'identity'>

interface Loaded extends Awaited<ReturnType<typeof prepareJob>>, JobContext {
  readonly folder: WorkFolder
}

async function run(asked: Asked, loaded: Loaded): Promise<BatchResult | 'complete' | null> {
  const { topology, rows, folder, report } = loaded
  const { options } = asked
  const ruleOf = fieldRules(topology.definition.source.schema)
  const positions = [options.partitionColumn, options.offsetColumn]
  const fieldOf = (name: string) => ruleOf(name) ?? (positions.includes(name) ? NUMERIC : null)
  const input = await InputLines.open(options.input, fieldOf, folder.path)
  const inputs = await hashedFiles(input.files)
  const job = { ...asked, identity: await identityOf(options, topology, inputs) }
  if (await isComplete(options, input.files, job.identity)) return 'complete'
  const before = await folder.saved<Saved>()
  if (before.some((state) => state.identity !== job.identity)) {
    const message =
      'the topology, its models, the input or a flag is another than in the run that was interrupted'
    throw configFault(message, folder.path, 'run it without --resume to begin anew')
  }
  const isWhole = await work(job, loaded, { input, saved: mergedSaved(before, job.identity) })
  if (!isWhole) return null
  const saved = mergedSaved(await folder.saved<Saved>(), job.identity)
  const isCaseBlind = existsSync(join(folder.path, '_PARTS'))
  if (options.partitionBy !== undefined) checkFolders(options.partitionBy, saved, isCaseBlind)
  for (const [name, fields] of rows === null ? [] : Object.entries(saved.kinds)) {
    const empty = Object.keys(fields).filter((field) => String(fields[field]) === 'null')
    if (empty.length > 0) report.note(`${name}: no row has a value in ${empty.join(', ')}`)
  }
  const features = rows?.features ?? new Map<string, readonly string[]>()
  const { definition, by, fingerprint } = topology
  const about = {
    topology: definition.name,
    definition: by,
    fingerprint,
    models: scorersOf(topology).map(({ label, sha256 }) => ({ model: label, sha256 })),
    inputs,
    partitions: options.partitions,
    identity: job.identity,
    ...(features.size > 0 && { features: Object.fromEntries(features) }),
  }
  const shared = { options, folder, about, floats: features, report }
  return publish(saved, definition.deadLetterTopic, shared)
}

/** @returns whether all of it is done; false: it was told to stop */
async function work(
  job: Job,
  { prepared, rows, folder, topology, report, stop: asked }: Loaded,
  { input, saved }: { readonly input: InputLines; readonly saved: Saved },
): Promise<boolean> {
  const { source } = topology.definition
  const failed = new AbortController()
  const stop = AbortSignal.any([failed.signal, asked])
  // An interrupted run may have saved nothing yet that says which lines were sorted.
  const path = job.options.order === 'time' ? join(folder.path, `sorted-${job.identity}`) : null
  if (path !== null) await sortByTime(input, source, path)
  const sorted = path === null ? null : await InputLines.open([path], () => null, folder.path)
  const { partitions, partitionColumn, offsetColumn, workers: count } = job.options
  const fields = [partitionColumn, offsetColumn].filter((name) => name !== undefined)
  const { files } = input
  const partitioner = await LinePartitioner.open(source, { partitions, fields, files })
  const lines = partitioner.partitioned(sorted === null ? input.blocks() : sortedBlocks(sorted))
  const startThread = (_: unknown, worker: number) =>
    new BatchWorkerThread({ job, worker, saved, files }, stop)
  const threads = count === 1 ? [] : Array.from({ length: count }, startThread)
  const options = { job, prepared, rows, folder, lines, files, saved, stop, worker: 0 }
  const workers = threads.length > 0 ? threads : [await BatchWorker.open(options)]
  const endProgress = report.progress(
    () => partitioner.records,
    () => (sorted ?? input).share,
  )
  const runs = workers.map((worker) => worker.run())
  const supply = threads.length > 0 ? giveOut(lines, threads) : Promise.resolve()
  for (const promise of [...runs, supply]) promise.catch(() => failed.abort())
  try {
    await Promise.allSettled([...runs, supply])
    await supply
    return (await Promise.all(runs)).every((isWhole) => isWhole)
  } catch (error) {
    report.say(RESUMABLE)
    throw error
  } finally {
    endProgress()
    input.close()
  }
}

/** Gives each thread the lines of its partitions, until a thread is over. */
async function giveOut(
  lines: AsyncIterable<readonly PartitionLines[]>,
  threads: readonly BatchWorkerThread[],
): Promise<void> {
  const isOf = (i: number) => (block: PartitionLines) => block.partition % threads.length === i
  for await (const blocks of lines) {
    await Promise.all(threads.map((thread, worker) => thread.give(blocks.filter(isOf(worker)))))
    if (threads.some(({ isOver }) => isOver)) return
  }
  await Promise.all(threads.map((thread) => thread.give(null)))
}

/** A hash of all that determines the output. */
async function identityOf(
  { partitions, order, partitionColumn, offsetColumn, partitionBy, ...flags }: BatchOptions,
  { by, fingerprint }: PreparedTopology,
  inputs: readonly HashedFile[],
): Promise<string> {
  const { rows, with: kept, labels, labelBy, label, labelAt, within, table: tables } = flags
  const others = [...(labels === undefined ? [] : [labels]), ...(tables?.values() ?? [])]
  const hashed = await hashedFiles(others.map((path) => ({ path })))
  const text = JSON.stringify([
    ...[by, fingerprint, inputs, hashed, rows, kept, labelBy, label, labelAt, within],
    ...[partitions, order, partitionColumn, offsetColumn, partitionBy, flags.knownTo],
  ])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

export const RESUMABLE = 'what is done is kept: the same command with --resume continues from there'

/** @throws TidemarkError `TOO_MANY_DEAD`: more of the records are dead letters than may be */
export async function publish(
  saved: Saved,
  deadLetters: string,
  { report, ...options }: FinishOptions & Pick<JobContext, 'report'>,
): Promise<BatchResult> {
  const { failAbove, labels, output } = options.options
  const parts = groupedBy(Object.keys(saved.sizes).sort(), (part) => part.split('/')[0] ?? '')
  const folders = [...parts].map(([name, files]) => {
    const sum = (count: 'rows' | 'labelled') =>
      files.reduce((all, part) => all + (saved.sizes[part]?.[count] ?? 0), 0)
    return { name, rows: sum('rows'), labelled: sum('labelled'), files: files.length }
  })
  const { records, ...outcomes } = outcomesOf(saved)
  const dead = folders.find(({ name }) => name === deadLetters)?.rows ?? 0
  const deadPercent = (100 * dead) / records
  if (failAbove !== undefined && deadPercent > failAbove) {
    const where = join(options.folder.parts, deadLetters)
    const message = `${deadPercent.toFixed(2)} % of the records are dead letters: nothing is published`
    throw new TidemarkError('TOO_MANY_DEAD', message, { where })
  }
  await finish(saved, options)
  const lines = folders.map(({ name, rows, files }) => {
    return [name, plural(rows, 'row'), plural(files, 'file')]
  })
  for (const line of table(lines)) report.say(line)
  const late = { percent: (100 * outcomes.late) / records, most: MANY_LATE }
  noteShare(report, late, `of the events are late; ${ORDERS}`)
  report.say(summaryOfOutcomes(records, outcomes))
  for (const { name, rows, labelled } of labels === undefined ? [] : folders) {
    const percent = 100 - (100 * labelled) / rows
    if (name === deadLetters) continue
    noteShare(report, { percent, most: MANY_UNLABELLED }, `of ${name} have no label`)
  }
  noteShare(
    report,
    { percent: deadPercent, most: MANY_DEAD },
    `of the records are dead letters, in ${deadLetters}`,
  )
  report.say(output)
  return { outcomes, folders }
}

/**
 * Whether there is an output already, of the same run.
 * @throws TidemarkError `CONFIG_INVALID`: there is something that must not be replaced
 */
export async function isComplete(
  { output, overwrite, resume }: BatchOptions,
  inputs: readonly { readonly path: string }[],
  identity = '',
): Promise<boolean> {
  if (!existsSync(output)) return false
  const manifest = jsonObject(await readFile(join(output, MANIFEST), 'utf8').catch(() => ''))
  if (manifest === null) {
    throw configFault('exists already, and is no output of a batch', output, 'choose another name')
  }
  if (resume && manifest['identity'] === identity) return true
  if (!overwrite) {
    throw configFault('the output exists already', output, 'replace it with --overwrite')
  }
  const replaced = `${await realpath(output)}${sep}`
  for (const { path } of inputs) {
    if (!(await realpath(path)).startsWith(replaced)) continue
    throw configFault('is in the output that would be replaced', path, 'choose another --output')
  }
  return false
}
