import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { InputLines } from '../../connect/files/input-lines.ts'
import type { PartitionLines } from '../../connect/files/partition-lines.ts'
import { NUMERIC } from '../../connect/files/tabular.ts'
import { MANIFEST, WorkFolder } from '../../connect/files/work-folder.ts'
import { fieldRules } from '../../formats/json/field-rules.ts'
import { configFault, TidemarkError } from '../../kernel/errors.ts'
import { groupedBy } from '../../kernel/grouped.ts'
import { jsonObject } from '../../kernel/json.ts'
import { type PreparedTopology, scorersOf } from '../../runtime/prepared.ts'
import { checkRows, MANY_DEAD, summaryOfOutcomes, tablesInTopics } from '../embedded.ts'
import { endInterrupted, type StopRequest } from '../exit.ts'
import { summaryOf } from '../prepared.ts'
import { noteLine, plural, say, sayNotes, sayShare, table } from '../print.ts'
import { showProgress } from '../progress.ts'
import { BatchWorker } from './batch-worker.ts'
import {
  type FinishOptions,
  finish,
  type HashedFile,
  hashedFiles,
  mergedSaved,
  outcomesOf,
} from './finish.ts'
import { type BatchFlags, type Job, prepareJob, type Saved } from './job.ts'
import { checkFolders } from './outputs.ts'
import { LinePartitioner } from './partitioned-lines.ts'
import { sortByTime, sortedBlocks } from './sorted-lines.ts'
import { BatchWorkerThread } from './worker-thread.ts'

/** More than this share of late events, or of rows without a label, is told, percent. */
const MANY_LATE = 10
const MANY_UNLABELLED = 50
/** The orders in which events are late as they were, and rows know the events before them. */
export const ORDERS = 'give files as events arrived, or --partition-column and --offset-column'

/** Scores files: all of the output, or nothing. */
export async function batchFiles(asked: Asked, ended: StopRequest): Promise<void> {
  const loaded = await prepareJob(asked)
  try {
    say(summaryOf(loaded.topology))
    sayNotes(loaded.prepared.notes)
    const tables = tablesInTopics(loaded.topology.definition)
    checkRows('table', tables, asked.flags.table ?? new Map())
    const folder = await WorkFolder.lock(asked.flags.output, { isKept: asked.flags.resume })
    try {
      await run(asked, { ...loaded, folder, ended })
    } finally {
      await folder.release()
    }
  } finally {
    await loaded.prepared.close()
  }
}

type Asked = Omit<Job, 'identity'>

interface Loaded extends Awaited<ReturnType<typeof prepareJob>> {
  readonly folder: WorkFolder
  readonly ended: StopRequest
}

async function run(asked: Asked, loaded: Loaded): Promise<void> {
  const { topology, rows, folder } = loaded
  const { flags } = asked
  const ruleOf = fieldRules(topology.definition.source.schema)
  const positions = [flags.partitionColumn, flags.offsetColumn]
  const fieldOf = (name: string) => ruleOf(name) ?? (positions.includes(name) ? NUMERIC : null)
  const input = await InputLines.open(flags.input, fieldOf, folder.path)
  const inputs = await hashedFiles(input.files)
  const job = { ...asked, identity: await identityOf(flags, topology, inputs) }
  if (await isComplete(flags, input.files, job.identity)) return
  const before = await folder.saved<Saved>()
  if (before.some((state) => state.identity !== job.identity)) {
    const message =
      'the topology, its models, the input or a flag is another than in the run that was interrupted'
    throw configFault(message, folder.path, 'run it without --resume to begin anew')
  }
  const isWhole = await work(job, loaded, { input, saved: mergedSaved(before, job.identity) })
  if (!isWhole) return endInterrupted(RESUMABLE)
  const saved = mergedSaved(await folder.saved<Saved>(), job.identity)
  const isCaseBlind = existsSync(join(folder.path, '_PARTS'))
  if (flags.partitionBy !== undefined) checkFolders(flags.partitionBy, saved, isCaseBlind)
  for (const [name, fields] of rows === null ? [] : Object.entries(saved.kinds)) {
    const empty = Object.keys(fields).filter((field) => String(fields[field]) === 'null')
    if (empty.length > 0) say(noteLine(`${name}: no row has a value in ${empty.join(', ')}`))
  }
  const features = rows?.features ?? new Map<string, readonly string[]>()
  const { definition, by, fingerprint } = topology
  const about = {
    topology: definition.name,
    definition: by,
    fingerprint,
    models: scorersOf(topology).map(({ label, sha256 }) => ({ model: label, sha256 })),
    inputs,
    partitions: flags.partitions,
    identity: job.identity,
    ...(features.size > 0 && { features: Object.fromEntries(features) }),
  }
  await publish(saved, definition.deadLetterTopic, { job, folder, about, floats: features })
}

/** @returns whether all of it is done; false: it was told to stop */
async function work(
  job: Job,
  { prepared, rows, folder, topology, ended }: Loaded,
  { input, saved }: { readonly input: InputLines; readonly saved: Saved },
): Promise<boolean> {
  const { source } = topology.definition
  const failed = new AbortController()
  const stopped = Promise.race([once(failed.signal, 'abort'), ended.promise])
  // An interrupted run may have saved nothing yet that says which lines were sorted.
  const path = job.flags.order === 'time' ? join(folder.path, `sorted-${job.identity}`) : null
  if (path !== null) await sortByTime(input, source, path)
  const sorted = path === null ? null : await InputLines.open([path], () => null, folder.path)
  const { partitions, partitionColumn, offsetColumn } = job.flags
  const fields = [partitionColumn, offsetColumn].filter((name) => name !== undefined)
  const { files } = input
  const partitioner = await LinePartitioner.open(source, { partitions, fields, files })
  const lines = partitioner.partitioned(sorted === null ? input.blocks() : sortedBlocks(sorted))
  const startThread = (_: unknown, worker: number) =>
    new BatchWorkerThread({ job, worker, saved, files }, stopped)
  const threads = job.workers === 1 ? [] : Array.from({ length: job.workers }, startThread)
  const options = { job, prepared, rows, folder, lines, files, saved, stopped, worker: 0 }
  const workers = threads.length > 0 ? threads : [await BatchWorker.open(options)]
  const endProgress = showProgress(
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
    say(RESUMABLE)
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
  { partitions, order, partitionColumn, offsetColumn, partitionBy, ...flags }: BatchFlags,
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

const RESUMABLE = 'what is done is kept: the same command with --resume continues from there'

/** @throws TidemarkError `TOO_MANY_DEAD`: more of the records are dead letters than may be */
export async function publish(
  saved: Saved,
  deadLetters: string,
  options: FinishOptions,
): Promise<void> {
  const { job, folder } = options
  const { failAbove, labels, output } = job.flags
  const folders = groupedBy(Object.keys(saved.sizes).sort(), (part) => part.split('/')[0] ?? '')
  const sum = (name: string, count: 'rows' | 'labelled') =>
    (folders.get(name) ?? []).reduce((all, part) => all + (saved.sizes[part]?.[count] ?? 0), 0)
  const { records, ...outcomes } = outcomesOf(saved)
  const deadPercent = (100 * sum(deadLetters, 'rows')) / records
  if (failAbove !== undefined && deadPercent > failAbove) {
    const where = join(folder.parts, deadLetters)
    const message = `${deadPercent.toFixed(2)} % of the records are dead letters: nothing is published`
    throw new TidemarkError('TOO_MANY_DEAD', message, { where })
  }
  await finish(saved, options)
  const lines = [...folders].map(([name, { length }]) => {
    return [name, plural(sum(name, 'rows'), 'row'), plural(length, 'file')]
  })
  for (const line of table(lines)) say(line)
  sayShare((100 * outcomes.late) / records, MANY_LATE, `of the events are late; ${ORDERS}`)
  say(summaryOfOutcomes(records, outcomes))
  for (const name of labels === undefined ? [] : folders.keys()) {
    const unlabelled = 100 - (100 * sum(name, 'labelled')) / sum(name, 'rows')
    if (name !== deadLetters) sayShare(unlabelled, MANY_UNLABELLED, `of ${name} have no label`)
  }
  sayShare(deadPercent, MANY_DEAD, `of the records are dead letters, in ${deadLetters}`)
  say(output)
}

/**
 * Whether there is an output already, of the same run.
 * @throws TidemarkError `CONFIG_INVALID`: there is something that must not be replaced
 */
export async function isComplete(
  { output, overwrite, resume }: BatchFlags,
  inputs: readonly { readonly path: string }[],
  identity = '',
): Promise<boolean> {
  if (!existsSync(output)) return false
  const manifest = jsonObject(await readFile(join(output, MANIFEST), 'utf8').catch(() => ''))
  if (manifest === null) {
    throw configFault('exists already, and is no output of a batch', output, 'choose another name')
  }
  if (resume && manifest['identity'] === identity) {
    say(`${output} is complete already`)
    return true
  }
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
