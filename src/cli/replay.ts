import { Command } from 'commander'
import type { ShowValue } from '../formats/registry/shown-values.ts'
import { groupOf } from '../host/host-worker.ts'
import { configFault, TidemarkError } from '../kernel/errors.ts'
import { KafkaRecords } from '../records/kafka/kafka-records.ts'
import type { ReadStart } from '../records/kafka/reader.ts'
import type { LogRecord, NewRecords, TopicPartition } from '../records/port.ts'
import { checkpointTopic } from '../runtime/commit/checkpoint-topic.ts'
import { Verdicts } from '../runtime/commit/verdicts.ts'
import type { Prepared, PreparedTopology } from '../runtime/prepared.ts'
import { findSchemas } from '../runtime/start/formats.ts'
import { startWorker } from '../runtime/worker.ts'
import type { Definition } from '../topology/definition.ts'
import { sinkStepsOf } from '../topology/graph.ts'
import { chosenServices, kafkaOptions } from './cluster.ts'
import { addSettings, readConfig } from './config.ts'
import { FROM, openShower, parseStart, shownRecords } from './consume.ts'
import { untilSignal } from './exit.ts'
import { prepareFiles } from './prepared.ts'
import { grouped, plural, readerGone, sayNotes, write } from './print.ts'
import { showProgress } from './progress.ts'
import { ModelChange } from './replay/model-change.ts'
import { ReplayedRecords } from './replay/replayed-records.ts'
import { describeChange, describeVerification, type ReadDifference } from './replay/report.ts'
import { TablePositions } from './replay/table-positions.ts'
import { type Difference, Verification } from './replay/verification.ts'
import { Origins, type ReplayRange, WrittenOutputs } from './replay/written-outputs.ts'
import { CLUSTER_SETTINGS, PREPARE_SETTINGS, workerOptions } from './settings.ts'

const SETTINGS = [
  'group',
  'topic',
  ...PREPARE_SETTINGS,
  'maxInFlightMb',
  'maxKeys',
  'maxStateMb',
  ...CLUSTER_SETTINGS,
] as const

interface Flags extends Record<string, unknown> {
  readonly from: ReadStart
  readonly to: ReadStart
  readonly verify?: readonly (string | true)[]
  readonly model?: readonly string[]
}

export function replay(): Command {
  const command = new Command('replay')
    .description(
      'work the log again, and compare the outputs with those in the topics: with --verify whether they are equal, else what another --model would change; writes nothing',
    )
    .argument('<file>', 'topology')
    .option('--from <place>', FROM, parseStart, 'earliest')
    .option(
      '--to <place>',
      "where to end, as in --from; at the latest at the group's committed offset",
      parseStart,
      'latest',
    )
    .option(
      '--verify [sink]',
      'compare each output of a sink, and each dead letter, to the bit; may be repeated (default: all sinks)',
      (sink: string | true, before: readonly (string | true)[] = []) => [...before, sink],
    )
    .action(work)
  return addSettings(command, SETTINGS)
}

async function work(file: string, flags: Flags): Promise<void> {
  const config = readConfig(SETTINGS, flags)
  const isVerified = flags.verify !== undefined
  if (!isVerified && Object.keys(config.model).length === 0) {
    const hint = '--verify compares the outputs; --model name=new.onnx shows what would change'
    throw configFault('there is nothing to compare', undefined, hint)
  }
  const services = { ...chosenServices(config), latencyBudget: 'none' } as const
  const prepared = await prepareFiles([file], workerOptions(config), services)
  const records = new KafkaRecords(kafkaOptions(config))
  try {
    const [topology] = withoutWrites(prepared).topologies as [PreparedTopology]
    const group = groupOf(config.group, prepared)
    const sinks = chosenSinks(topology.definition, flags.verify)
    const { topic } = topology.definition.source
    const ranges = await rangesOf(records, { topic, group, from: flags.from, to: flags.to })
    const replayed = {
      ...{ prepared: withoutWrites(prepared), topology, records, group, ranges },
      origins: new Origins(topology.definition, sinks),
      written: new WrittenOutputs(ranges),
      positions: new TablePositions(topology.definition),
      options: workerOptions(config),
    }
    if (isVerified) await verify(replayed)
    else await change(replayed, await openShower(config))
  } finally {
    await records.close()
    await prepared.close()
  }
}

interface Replay {
  readonly prepared: Prepared
  readonly topology: PreparedTopology
  readonly records: KafkaRecords
  readonly group: string
  readonly ranges: readonly ReplayRange[]
  readonly origins: Origins
  readonly written: WrittenOutputs
  readonly positions: TablePositions
  readonly options: ReturnType<typeof workerOptions>
}

async function verify(replayed: Replay): Promise<void> {
  const { topology, records, positions, group } = replayed
  const { definition } = topology
  const verification = new Verification({
    ...{ ...replayed, definition },
    incomplete: () => positions.incomplete,
    obeysVerdicts: checkpointTopic(definition, group) !== null,
  })
  await run(replayed, {
    wrote: (all, of) => {
      for (const record of all) verification.wrote(record, of)
    },
    made: (all) => {
      for (const record of all) verification.made(record)
    },
  })
  verification.end()
  const shown = await Promise.all(verification.shown.map((one) => withRecord(records, one)))
  await write(describeVerification(verification, shown, definition.source.topic))
  if (verification.isEqual) return
  const { equal, ...others } = verification.counts
  const count = Object.values(others).reduce((sum, one) => sum + one, 0)
  const what =
    count === 0
      ? 'there was no output to compare'
      : `${plural(count, 'output')} could not be made again as written, ${grouped(equal)} could`
  throw new TidemarkError('REPLAY_DIFFERS', what)
}

async function change(replayed: Replay, show: ShowValue | null): Promise<void> {
  const { origins, written, topology } = replayed
  const change = new ModelChange(origins, written)
  await run(replayed, {
    wrote: async (all, of) => {
      for (const record of await shownRecords(all, show)) change.wrote(record, of, jsonOf(record))
    },
    made: async (all) => {
      const topics = Array.from(all, ({ topic }) => topic)
      const records = Array.from(all, (record) => ({ ...record, offset: 0 }))
      for (const [i, record] of [...(await shownRecords(records, show))].entries()) {
        change.made(topics[i] as string, record, jsonOf(record))
      }
    },
  })
  change.end()
  await write(describeChange(change, topology.definition.source.topic))
}

function jsonOf({ value }: Pick<LogRecord, 'value'>): unknown {
  try {
    return JSON.parse(String(value))
  } catch {
    return null
  }
}

interface Comparing {
  wrote(records: Iterable<LogRecord>, of: TopicPartition): Promise<void> | void
  made(records: NewRecords): Promise<void> | void
}

/** Reads what is written, and then works the ranges again. */
async function run(replayed: Replay, { wrote, made }: Comparing): Promise<void> {
  const { topology, records, ranges, written, origins, positions } = replayed
  const ended = untilSignal(readerGone)
  let read = 0
  const own: { records: ReplayedRecords | null } = { records: null }
  const endProgress = showProgress(() => read + (own.records?.count ?? 0))
  try {
    for (const topic of origins.topics) {
      const reader = await records.read({ topic, from: 'earliest', until: 'end' })
      void ended.promise.then(() => reader.close())
      for await (const chunk of reader) {
        read += chunk.records.length
        await wrote(chunk.records, chunk)
      }
    }
    const tables = new Map(ranges.map(({ partition }) => [partition, written.tablesOf(partition)]))
    positions.aim([...tables.values()].find(([first]) => first !== undefined)?.[0]?.tables ?? '')
    const { topic } = topology.definition.source
    const verdicts = await verdictsOf(replayed)
    own.records = new ReplayedRecords({
      records,
      source: topic,
      ranges,
      positions,
      tables,
      verdicts,
      made,
    })
    if (!ended.hasCome) await workAgain(replayed, own.records, ended.promise)
  } finally {
    endProgress()
    ended.dispose()
  }
  if (ended.hasCome) throw new TidemarkError('REPLAY_DIFFERS', 'the replay was interrupted')
}

async function workAgain(
  { prepared, group, options }: Replay,
  records: ReplayedRecords,
  ended: Promise<void>,
): Promise<void> {
  const notes: string[] = []
  const worker = startWorker({
    ...{ ...options, prepared, records, group, guarantee: 'at-least-once' },
    observer: (event) => {
      if (event.type === 'state' && event.state === 'unavailable') notes.push(event.reason ?? '')
    },
  })
  try {
    await Promise.race([records.done(), worker.done, ended])
  } finally {
    await records.close()
    await worker.stop()
    sayNotes(notes)
  }
}

/** The same topologies, which write neither into Redis nor into stores, nor score for shadows. */
function withoutWrites(prepared: Prepared): Prepared {
  const { redis } = prepared
  const topologies = prepared.topologies.map((topology) => ({
    ...topology,
    shadows: [],
    stores: topology.stores.map(({ definition, source }) => ({
      definition,
      source: { getMany: source.getMany.bind(source), setMany: async () => {} },
    })),
  }))
  const connect = async () => (await redis?.connect()) ?? null
  const unwritten = redis ? { connect, keepNewest: async () => {} } : null
  return { ...prepared, topologies, redis: unwritten }
}

function chosenSinks({ then }: Definition, given: Flags['verify'] = []): string[] {
  const all = sinkStepsOf(then).filter(({ redis }) => redis === undefined)
  const named = given.filter((name) => name !== true)
  const unknown = named.find((name) => !all.some((sink) => [sink.name, sink.topic].includes(name)))
  if (unknown !== undefined) {
    const hint = `it has: ${all.map(({ topic }) => topic).join(', ')}`
    throw configFault(`the topology has no sink "${unknown}"`, '--verify', hint)
  }
  const chosen = all.filter(({ name, topic }) => named.includes(name) || named.includes(topic))
  return (named.length === 0 ? all : chosen).map(({ name }) => name)
}

interface Bounds {
  readonly topic: string
  readonly group: string
  readonly from: ReadStart
  readonly to: ReadStart
}

async function rangesOf(
  records: KafkaRecords,
  { topic, group, from, to }: Bounds,
): Promise<ReplayRange[]> {
  const [begins, ends] = [
    await offsetsAt(records, topic, from),
    await offsetsAt(records, topic, to),
  ]
  const offsets = await records.partitionOffsets(group, topic)
  if (offsets.every(({ committed }) => committed === null)) {
    const hint = 'name the group of the workers whose outputs are compared'
    throw configFault(`group "${group}" has committed nothing on "${topic}"`, '--group', hint)
  }
  return offsets.flatMap(({ partition, committed, lowOffset }) => {
    const begin = begins.get(partition) ?? lowOffset
    const end = Math.min(committed?.nextOffset ?? begin, ends.get(partition) ?? begin)
    return begin < end ? [{ partition, from: begin, to: end, lowOffset }] : []
  })
}

async function offsetsAt(records: KafkaRecords, topic: string, from: ReadStart) {
  const reader = await records.read({ topic, from, until: 'end' })
  await reader.close()
  return new Map([...reader.ranges].map(([partition, { nextOffset }]) => [partition, nextOffset]))
}

/** What was given up in the first run is left out again (rule R9). */
async function verdictsOf({ topology, records, group, ranges }: Replay) {
  const unknown = (await findSchemas([topology])).find(({ id }) => id === null)
  if (unknown !== undefined) {
    const what = `the schema of a sink is not in the registry under "${unknown.subject}"`
    const hint = 'a replay registers nothing: is this the topology that has written the outputs?'
    throw new TidemarkError('SCHEMA_NOT_REGISTERED', what, { hint })
  }
  const { definition } = topology
  const topic = checkpointTopic(definition, group)
  const read = new Map<number, Verdicts>()
  if (topic === null) return read
  const source = definition.source.topic
  const topicId = (await records.describeTopics([source])).get(source)?.id ?? null
  for (const { partition, to, lowOffset } of ranges) {
    const at = { topic: source, partition, epoch: 1, nextOffset: to, metadata: null }
    const verdicts = new Verdicts({
      ...{ topic, topicId, assignment: { ...at, lowOffset, lookBackOffset: lowOffset } },
      read: () => records.readAll({ topic, partition }),
    })
    await verdicts.read()
    read.set(partition, verdicts)
  }
  return read
}

/** Reads the record of a difference again. */
async function withRecord(records: KafkaRecords, difference: Difference): Promise<ReadDifference> {
  const { written } = difference
  if (written === null) return { ...difference, record: null }
  const { topic, partition, offset } = written
  const ends = await offsetsAt(records, topic, 'latest')
  const from = { offsets: new Map([...ends, [partition, offset]]) }
  const reader = await records.read({ topic, from, until: 'end' })
  for await (const chunk of reader) {
    if (chunk.partition !== partition) continue
    const record = [...chunk.records].find((one) => one.offset === offset)
    return { ...difference, record: record ?? null }
  }
  return { ...difference, record: null }
}
