import { KafkaRecords } from '../../connect/kafka/kafka-records.ts'
import type { ReadStart } from '../../connect/kafka/reader.ts'
import type { LogPoint, NewRecord, RecordSink, Records } from '../../connect/port.ts'
import type { SystemOptions } from '../../connect/table.ts'
import { checkedConfig, type RunWorkerOptions } from '../../host/options.ts'
import { configFault, TidemarkError } from '../../kernel/errors.ts'
import type { WorkerConfig } from '../../runtime/config.ts'
import type { RuntimeEvent } from '../../runtime/events.ts'
import type { Prepared, PreparedTopology } from '../../runtime/prepared.ts'
import { groupOf } from '../../runtime/prepared.ts'
import { findSchemas } from '../../runtime/start/formats.ts'
import { prepare } from '../../runtime/start/prepare.ts'
import type { Definition } from '../../topology/definition.ts'
import { sinkStepsOf } from '../../topology/graph.ts'
import { type JobReport, SILENT } from '../report.ts'
import { runJob } from '../run-job.ts'
import { ModelChange } from './model-change.ts'
import { NOWHERE, ReplayFeed, type ReplayFeedOptions, replayedRecords } from './replayed-records.ts'
import { readTableLogs, TablePositions } from './table-positions.ts'
import { Verification } from './verification.ts'
import { type ReplayRange, type Written, WrittenOutputs } from './written-outputs.ts'

// The log is worked again, and its outputs are compared with those in the topics. Nothing is written.

export interface ReplayJob {
  readonly prepared: Prepared
  readonly config: WorkerConfig
  readonly records: KafkaRecords
  readonly from: ReadStart
  /** At the latest the committed offset of the group. */
  readonly to: ReadStart
  /** Names of sinks whose outputs have to be equal; `true`: all. @default the change is described */
  readonly verify?: readonly string[] | true
  readonly report: JobReport
}

type WorkerOption =
  | ('brokers' | 'group' | 'topics' | 'tls' | 'sasl' | 'registry' | keyof SystemOptions)
  | ('models' | 'variants' | 'evaluator' | 'providers' | 'cache' | 'maxAhead')
  | ('maxTableBytes' | 'maxKeys' | 'maxStateBytes')

/** Which part of the log is worked again, and where it is. */
export interface ReplayOptions extends Pick<RunWorkerOptions, WorkerOption> {
  /** Where to begin in each partition of the source. @default 'earliest' */
  readonly from?: LogPoint
  /** Where to end, at the latest at the committed offset of the group. @default 'latest' */
  readonly to?: LogPoint
  /**
   * Names of sinks whose outputs have to be what was written, to the bit; `true`: those of all.
   * Without it, `text` says what other `models` would change.
   * @default nothing has to be equal
   */
  readonly verify?: readonly string[] | true
}

/** The result of a replay. */
export interface ReplayResult {
  /** Differences and counts, in words. */
  readonly text: string
  /** Whether each output and dead letter is what was written; `null`: that was not asked. */
  readonly isEqual: boolean | null
}

/** @throws TidemarkError `CONFIG_INVALID`, `SCHEMA_NOT_REGISTERED`, or what ends a worker */
export async function replayLog({ verify, ...job }: ReplayJob): Promise<ReplayResult> {
  const { prepared, records, config } = job
  const group = groupOf(config.group, prepared)
  const [topology] = prepared.topologies as [PreparedTopology]
  await checkSchemas(topology)
  const { definition } = topology
  const ranges = await rangesOf(records, { ...job, group, topic: definition.source.topic })
  const outputs = new WrittenOutputs(definition, chosenSinks(topology, verify), ranges)
  const positions = new TablePositions(await readTableLogs(records, definition))
  const shared = { ...job, group, outputs, positions }
  if (verify === undefined) {
    const change = new ModelChange(outputs)
    await run(records, { ...shared, comparison: change })
    return { text: change.describe(), isEqual: null }
  }
  const verification = new Verification(outputs, positions)
  await run(records, { ...shared, comparison: verification })
  verification.end()
  const text = await verification.describe((...written) => readAgain(records, ...written))
  return { text, isEqual: verification.isEqual }
}

/** Does what {@link replay} of the package says. */
export async function replayInProgram(topology: Definition, options: ReplayOptions) {
  const { from = 'earliest', to = 'latest', verify, tls, sasl } = options
  const points = Object.entries({ from, to }).filter(([, point]) => !isLogPoint(point))
  const faults = points.map(([name]) => configFault('is not a point of the log', name, POINTS))
  // `from` says another thing to a worker.
  const config = checkedConfig([topology], { ...options, from: 'earliest' }, faults)
  const choices = { ...options, systems: options, latencyBudget: 'none' } as const
  const prepared = await prepare([topology], config, choices)
  const { brokers } = config
  const records = new KafkaRecords({ brokers, ...(tls && { tls }), ...(sasl && { sasl }) })
  try {
    const asked = { from, to, ...(verify && { verify }), report: SILENT }
    return await replayLog({ prepared, config, records, ...asked })
  } finally {
    await records.close()
    await prepared.close()
  }
}

const POINTS = "'earliest', 'latest', { offset } or { timeMs }"

function isLogPoint(point: LogPoint): boolean {
  if (point === 'earliest' || point === 'latest') return true
  const { offset, timeMs } = (point ?? {}) as { offset?: unknown; timeMs?: unknown }
  return Number.isSafeInteger(offset ?? timeMs)
}

interface Work
  extends Pick<ReplayFeedOptions, 'group' | 'positions'>,
    Pick<ReplayJob, 'prepared' | 'config' | 'report'> {
  readonly outputs: WrittenOutputs
  readonly comparison: Pick<Verification | ModelChange, 'wrote' | 'made'>
}

/** Reads the written records, and then works the ranges again. */
async function run(records: KafkaRecords, work: Work): Promise<void> {
  const { outputs, comparison, report } = work
  let count = 0
  const endProgress = report.progress(() => count)
  try {
    for (const topic of outputs.topics) {
      for await (const chunk of await records.read({ topic, from: 'earliest', until: 'end' })) {
        count += chunk.records.length
        for (const record of chunk.records) {
          const cause = outputs.causeOf(topic, record.headers)
          if (cause === null) outputs.addForeign(record, chunk)
          const written = cause && outputs.add(cause, record, chunk.partition)
          if (written) comparison.wrote(cause, written, record)
        }
      }
    }
    await workAgain(records, work)
  } finally {
    endProgress()
  }
}

export async function workAgain(
  records: Records,
  { prepared, group, config, outputs, positions, comparison, report }: Work,
): Promise<void> {
  outputs.descriptions = await records.topics.describe(outputs.topics)
  const made = (record: NewRecord) => {
    const cause = outputs.causeOf(record.topic, record.headers)
    if (cause === null) return
    const written = outputs.find(cause)
    comparison.made(cause, record, written)
    if (written !== null) written.isMade = true
  }
  const feed = new ReplayFeed({ records, group, outputs, positions, made })
  const options = {
    config: { ...config, guarantee: 'at-least-once' } as const,
    ...{ prepared: withoutWrites(prepared), group },
    records: replayedRecords(feed),
    observer: (event: RuntimeEvent) => {
      if (event.type === 'state' && event.reason !== undefined) report.say(event.reason)
    },
  }
  await runJob(options, new AbortController().signal, () => feed.done())
}

/** Writes into no system outside, and scores for no shadow. */
function withoutWrites(prepared: Prepared): Prepared {
  const topologies = prepared.topologies.map((topology) => {
    const stores = topology.stores.map(({ definition, source }) => {
      const getMany = (keys: readonly string[]) => source.getMany(keys)
      return { definition, source: { getMany, setMany: async () => {} } }
    })
    return { ...topology, stores, shadows: [] }
  })
  const sinks = [...(prepared.sinks ?? [])].map(([name, sink]): [string, RecordSink] => {
    return [name, { keyFault: (key) => sink.keyFault?.(key) ?? null, ...NOWHERE }]
  })
  return { ...prepared, topologies, sinks: new Map(sinks) }
}

/** Otherwise the worker would register them. */
async function checkSchemas(topology: PreparedTopology): Promise<void> {
  const schema = (await findSchemas([topology])).find(({ id }) => id === null)
  if (schema === undefined) return
  const message = `the registry does not have the schema of a sink under "${schema.subject}"`
  const hint = 'a replay registers nothing: did this topology write the outputs?'
  throw new TidemarkError('SCHEMA_NOT_REGISTERED', message, { hint })
}

function chosenSinks({ definition }: PreparedTopology, verify: ReplayJob['verify'] = true) {
  const all = sinkStepsOf(definition.then).filter(({ system }) => system === undefined)
  const named = verify === true ? [] : verify
  const chosen = all.filter(({ name, topic }) => named.includes(name) || named.includes(topic))
  if (chosen.length >= named.length) return named.length === 0 ? all : chosen
  const hint = `its sinks: ${all.map(({ topic }) => topic).join(', ')}`
  throw configFault(`not all of these are sinks: ${named.join(', ')}`, '--verify', hint)
}

type Bounds = Pick<ReplayJob, 'from' | 'to'> & { readonly topic: string; readonly group: string }

async function rangesOf(records: KafkaRecords, bounds: Bounds): Promise<ReplayRange[]> {
  const { topic, group, from, to } = bounds
  const begins = await offsetsAt(records, topic, from)
  const ends = await offsetsAt(records, topic, to)
  const offsets = await records.offsets(group, topic)
  const ranges = offsets.map(({ partition, committed, lowOffset }) => {
    const end = Math.min(committed?.nextOffset ?? 0, ends.get(partition) ?? 0)
    return { partition, from: begins.get(partition) ?? 0, to: end, lowOffset }
  })
  const some = ranges.filter((range) => range.from < range.to)
  if (some.length > 0) return some
  const hint = 'name the group of the workers that wrote the outputs (--group)'
  const message = `group "${group}" has committed nothing of this part of "${topic}"`
  throw configFault(message, undefined, hint)
}

async function offsetsAt(records: KafkaRecords, topic: string, from: ReadStart) {
  const reader = await records.read({ topic, from, until: 'end' })
  await reader.close()
  return new Map([...reader.ranges].map(([partition, { nextOffset }]) => [partition, nextOffset]))
}

async function readAgain(records: KafkaRecords, topic: string, { partition, offset }: Written) {
  const from = { offsets: new Map([[partition, offset]]) }
  for await (const chunk of await records.read({ topic, from, until: 'end' })) {
    if (chunk.partition === partition) return chunk.records.at(0)
  }
  return null
}
