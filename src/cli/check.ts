import { Command } from 'commander'
import { groupOf } from '../host/host-worker.ts'
import { NO_NAME } from '../host/worker-name.ts'
import { refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { partitionName } from '../kernel/ids.ts'
import { groupStart } from '../records/group-member.ts'
import { KafkaRecords } from '../records/kafka/kafka-records.ts'
import type { PartitionOffsets, TopicInfo } from '../records/port.ts'
import { type ClusterCheck, checkCluster } from '../runtime/cluster-check.ts'
import { type FoundSchema, findOutputs } from '../runtime/output-schemas.ts'
import type { Prepared } from '../runtime/prepare.ts'
import { findVariants } from '../runtime/settle-variants.ts'
import { chosenRegistry, kafkaOptions } from './cluster.ts'
import { addSettings, readConfig } from './config.ts'
import { calledFunctions, evaluators, prepareFiles, summaryOf, variantLines } from './prepared.ts'
import { grouped, plural, sayNotes, write } from './print.ts'
import { CLUSTER_SETTINGS, type Config, PREPARE_SETTINGS, workerOptions } from './settings.ts'

const SETTINGS = [
  ...PREPARE_SETTINGS,
  ...CLUSTER_SETTINGS,
  'topic',
  'group',
  'from',
  'guarantee',
  'workerName',
] as const

export function check(): Command {
  const command = new Command('check')
    .description(
      'check topologies and their models, and with --connect the cluster; reports all faults at once',
    )
    .argument('<files...>', 'topologies')
    .option(
      '--connect',
      "also check topics, limits, rights and the group's offsets on the brokers, and schemas in the registry; does not join the group",
    )
    .action(async (files: string[], flags: Record<string, unknown>) => {
      const config = readConfig(SETTINGS, flags)
      const isConnected = flags['connect'] === true
      const registry = isConnected ? chosenRegistry(config) : ({ registry: 'later' } as const)
      const prepared = await prepareFiles(files, workerOptions(config), registry)
      try {
        await writeLines([
          ...prepared.topologies.map((topology) => `✓ ${summaryOf(topology)}`),
          ...evaluators(prepared.topologies),
          ...variantLines(prepared.variants),
          ...calledFunctions(prepared.topologies),
        ])
        sayNotes(prepared.notes)
        if (isConnected) await checkConnected(prepared, config)
      } finally {
        await prepared.close()
      }
    })
  return addSettings(command, SETTINGS)
}

async function writeLines(lines: readonly string[]): Promise<void> {
  for (const line of lines) await write(`${line}\n`)
}

type CheckConfig = Config<(typeof SETTINGS)[number]>

/** Checks the cluster as a worker would find it, and prints the result. It joins no group. */
async function checkConnected(prepared: Prepared, config: CheckConfig): Promise<void> {
  const { guarantee, workerName, from } = config
  const group = groupOf(config.group, prepared)
  const brokers = config.brokers.join(',')
  const records = new KafkaRecords({
    ...kafkaOptions(config),
    ...(workerName === null || workerName === NO_NAME ? {} : { workerName }),
  })
  try {
    const definitions = prepared.topologies.map((t) => t.definition)
    const found = await checkCluster({ records, definitions, group, guarantee, brokers })
    const { topics, partitionOffsets, known, notes } = found
    const sources = new Set(definitions.map((d) => d.source.topic))
    refuseIfAny(partitionOffsets.flatMap((offsets) => faultOf(offsets, { group, from, known })))
    const schemas = await findOutputs(prepared.topologies)
    await writeLines([
      `✓ brokers ${brokers}, all required rights granted`,
      ...[...topics.values()].map((topic) => `✓ topic ${inWords(topic)}`),
      ...found.toMake.map(({ name }) => `✓ topic ${name}  is made by the first worker`),
      ...schemas.map((schema) => `✓ schema ${placeOf(schema)}`),
      `✓ group ${group}  ${progress(partitionOffsets)}`,
    ])
    sayNotes([
      ...notes,
      ...findVariants(prepared, partitionOffsets).map(({ note }) => note),
      ...withoutLeader(found, sources),
    ])
  } finally {
    await records.close()
  }
}

function faultOf(
  offsets: PartitionOffsets,
  joining: Parameters<typeof groupStart>[1],
): TidemarkError[] {
  try {
    groupStart(offsets, joining)
    return []
  } catch (error) {
    if (error instanceof TidemarkError) return [error]
    throw error
  }
}

function inWords({ name, partitions, maxMessageBytes }: TopicInfo): string {
  const most = maxMessageBytes === null ? '' : `, batches up to ${grouped(maxMessageBytes)} bytes`
  return `${name}  ${plural(partitions, 'partition')}${most}`
}

function placeOf({ subject, id }: FoundSchema): string {
  return `${subject}  ${id === null ? 'a worker will register it: it is compatible' : `id ${id}`}`
}

function progress(partitionOffsets: readonly PartitionOffsets[]): string {
  const begun = partitionOffsets.filter(({ committed }) => committed !== null)
  if (begun.length === 0) return 'has no committed offsets yet'
  const behind = begun.reduce((sum, s) => sum + s.endOffset - (s.committed?.nextOffset ?? 0), 0)
  return `has committed offsets for ${begun.length} of ${plural(partitionOffsets.length, 'partition')}, lag ${plural(behind, 'record')}`
}

function withoutLeader(
  { topics, partitionOffsets }: ClusterCheck,
  sources: ReadonlySet<string>,
): string[] {
  const led = new Set(partitionOffsets.map(partitionName))
  return [...topics.values()]
    .filter(({ name }) => sources.has(name))
    .flatMap(({ name: topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => partitionName({ topic, partition })),
    )
    .filter((name) => !led.has(name))
    .map((name) => `${name} has no leader and cannot be read until it has one`)
}
