import { Command } from 'commander'
import { kafka } from '../connect/kafka/connector.ts'
import { KafkaRecords } from '../connect/kafka/kafka-records.ts'
import type { ReadStart } from '../connect/kafka/reader.ts'
import type { NewRecord, RecordSink, Records } from '../connect/port.ts'
import { groupOf } from '../host/host-worker.ts'
import { chosenServices } from '../host/services.ts'
import { CLUSTER_SETTINGS, configOf, PREPARE_SETTINGS } from '../host/settings.ts'
import { prepareFiles } from '../host/topology-files.ts'
import { ModelChange } from '../jobs/replay/model-change.ts'
import {
  NOWHERE,
  ReplayFeed,
  type ReplayOptions,
  replayedRecords,
} from '../jobs/replay/replayed-records.ts'
import { readTableLogs, TablePositions } from '../jobs/replay/table-positions.ts'
import { Verification } from '../jobs/replay/verification.ts'
import { type ReplayRange, type Written, WrittenOutputs } from '../jobs/replay/written-outputs.ts'
import { configFault, TidemarkError } from '../kernel/errors.ts'
import type { WorkerConfig } from '../runtime/config.ts'
import type { Prepared, PreparedTopology } from '../runtime/prepared.ts'
import { findSchemas } from '../runtime/start/formats.ts'
import { startWorker } from '../runtime/worker.ts'
import { sinkStepsOf } from '../topology/graph.ts'
import { addSettings, readConfig } from './config.ts'
import { FROM, parsePoint } from './consume.ts'
import { say, write } from './print.ts'
import { showProgress } from './progress.ts'

const MEMORY = ['maxInFlightMb', 'maxKeys', 'maxStateMb'] as const
const SETTINGS = ['group', 'topic', ...PREPARE_SETTINGS, ...MEMORY, ...CLUSTER_SETTINGS] as const

interface Flags extends Record<string, unknown> {
  readonly from: ReadStart
  readonly to: ReadStart
  /** `true`: no sink is named. */
  readonly verify?: readonly string[] | true
}

export function replay(): Command {
  const command = new Command('replay')
    .description(
      'work the log again, and compare the outputs with those in the topics: with --verify whether they are equal, otherwise what another --model would change; writes nothing',
    )
    .argument('<file>', 'topology')
    .option('--from <place>', FROM, parsePoint, 'earliest')
    .option(
      '--to <place>',
      "where to end, as in --from; at the latest at the group's committed offset",
      parsePoint,
      'latest',
    )
    .option(
      '--verify [sink]',
      'compare every output of a sink, and every dead letter, to the bit; may be repeated (default: all sinks)',
      (sink: string, before: readonly string[] | true | undefined) =>
        before === undefined || before === true ? [sink] : [...before, sink],
    )
    .action(start)
  return addSettings(command, SETTINGS)
}

async function start(file: string, flags: Flags): Promise<void> {
  const config = readConfig(SETTINGS, flags)
  if (flags.verify === undefined && Object.keys(config.model).length === 0) {
    const hint = '--verify compares the outputs; --model name=new.onnx shows what would change'
    throw configFault('there is nothing to compare', undefined, hint)
  }
  const services = { ...chosenServices(config), latencyBudget: 'none' } as const
  const settings = configOf(config)
  const prepared = await prepareFiles([file], settings, services)
  const records = new KafkaRecords(kafka.optionsOf(config))
  try {
    const group = groupOf(config.group, prepared)
    const [topology] = prepared.topologies as [PreparedTopology]
    await checkSchemas(topology)
    const { definition } = topology
    const ranges = await rangesOf(records, { ...flags, group, topic: definition.source.topic })
    const outputs = new WrittenOutputs(definition, chosenSinks(topology, flags.verify), ranges)
    const positions = new TablePositions(await readTableLogs(records, definition))
    const work = { prepared, config: settings, group, outputs, positions }
    if (flags.verify === undefined) {
      const change = new ModelChange(outputs)
      await run(records, { ...work, comparison: change })
      return await write(change.describe())
    }
    const verification = new Verification(outputs, positions)
    await run(records, { ...work, comparison: verification })
    verification.end()
    await write(await verification.describe((...written) => readAgain(records, ...written)))
    if (verification.isEqual) return
    throw new TidemarkError('REPLAY_DIFFERS', 'a replay makes other outputs than were written')
  } finally {
    await records.close()
    await prepared.close()
  }
}

interface Work extends Pick<ReplayOptions, 'group' | 'outputs' | 'positions'> {
  readonly prepared: Prepared
  readonly config: WorkerConfig
  readonly outputs: WrittenOutputs
  readonly comparison: Pick<Verification | ModelChange, 'wrote' | 'made'>
}

/** Reads the written records, and then works the ranges again. */
async function run(records: KafkaRecords, work: Work): Promise<void> {
  const { outputs, comparison } = work
  let count = 0
  const endProgress = showProgress(() => count)
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
  { prepared, group, config, outputs, positions, comparison }: Work,
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
  const worker = startWorker({
    config: { ...config, guarantee: 'at-least-once' },
    ...{ prepared: withoutWrites(prepared), group },
    records: replayedRecords(feed),
    observer: (event) => {
      if (event.type === 'state' && event.reason !== undefined) say(event.reason)
    },
  })
  try {
    await Promise.race([feed.done(), worker.done])
  } finally {
    await worker.stop()
  }
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

function chosenSinks({ definition }: PreparedTopology, verify: Flags['verify'] = true) {
  const all = sinkStepsOf(definition.then).filter(({ system }) => system === undefined)
  const named = verify === true ? [] : verify
  const chosen = all.filter(({ name, topic }) => named.includes(name) || named.includes(topic))
  if (chosen.length >= named.length) return named.length === 0 ? all : chosen
  const hint = `its sinks: ${all.map(({ topic }) => topic).join(', ')}`
  throw configFault(`not all of these are sinks: ${named.join(', ')}`, '--verify', hint)
}

type Bounds = Pick<Flags, 'from' | 'to'> & { readonly topic: string; readonly group: string }

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
