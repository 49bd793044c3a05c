import { groupOf } from '../host/host-worker.ts'
import { NO_NAME } from '../host/worker-name.ts'
import { refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { partitionName } from '../kernel/ids.ts'
import { groupStart } from '../records/group-member.ts'
import { KafkaRecords } from '../records/kafka/kafka-records.ts'
import type { From, Guarantee, PartitionOffsets, TopicInfo } from '../records/port.ts'
import { type ClusterCheck, checkCluster } from '../runtime/cluster-check.ts'
import { type FoundSchema, findOutputs } from '../runtime/output-schemas.ts'
import type { Prepared } from '../runtime/prepare.ts'
import { findVariants } from '../runtime/settle-variants.ts'
import { type KafkaConfig, kafkaOptions } from './kafka-options.ts'
import { write } from './output.ts'
import { count, plural, sayNotes } from './print.ts'

interface CheckConfig extends KafkaConfig {
  readonly group: string | null
  readonly from: From
  readonly guarantee: Guarantee
  readonly workerName: string | null
}

/**
 * Checks the cluster as a worker would find it, and prints the result. It joins no group.
 *
 * @throws as {@link checkCluster} · Refused with `OFFSET_OUT_OF_RANGE`, `SCHEMA_NOT_REGISTERED` or
 * `SCHEMA_REJECTED` · TidemarkError `REGISTRY_UNAVAILABLE`
 */
export async function checkConnected(prepared: Prepared, config: CheckConfig): Promise<void> {
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
    await write(`✓ brokers ${brokers}, all required rights granted\n`)
    for (const topic of topics.values()) await write(`✓ topic ${inWords(topic)}\n`)
    for (const { name } of found.toMake)
      await write(`✓ topic ${name}  is made by the first worker\n`)
    for (const schema of schemas) await write(`✓ schema ${placeOf(schema)}\n`)
    await write(`✓ group ${group}  ${progress(partitionOffsets)}\n`)
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
  const most = maxMessageBytes === null ? '' : `, batches up to ${count(maxMessageBytes)} bytes`
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

/** Notes on partitions of sources that have no leader. */
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
