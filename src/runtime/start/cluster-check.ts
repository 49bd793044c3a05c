import type {
  Guarantee,
  NewTopic,
  PartitionOffsets,
  Records,
  TopicInfo,
} from '../../connect/port.ts'
import { keepsState } from '../../engine/plan.ts'
import { refuseIfAny, TidemarkError } from '../../kernel/errors.ts'
import { formatDuration } from '../../kernel/time.ts'
import type { Definition } from '../../topology/definition.ts'
import { allTopics, shadowTopics, tableTopics } from '../../topology/graph.ts'
import { decodeMetadata } from '../commit/checkpoint-metadata.ts'
import {
  checkpointFaults,
  checkpointTopic,
  committedTopics,
  nameFaults,
  newCheckpointTopic,
} from '../commit/checkpoint-topic.ts'
import { checkPartitions } from '../commit/restart-plan.ts'

// The check of a cluster before anything is consumed (rules S1, S2): the user's rights, the topics,
// and the group's committed offsets.

interface ClusterOptions {
  readonly records: Records
  readonly definitions: readonly Definition[]
  readonly group: string
  readonly guarantee: Guarantee
  /** For messages. */
  readonly brokers: string
}

export interface ClusterCheck {
  readonly topics: ReadonlyMap<string, TopicInfo>
  /** The group's own topics that a worker has to make. */
  readonly toMake: readonly NewTopic[]
  readonly partitionOffsets: readonly PartitionOffsets[]
  /** By source topic: the number of partitions when the group began. */
  readonly known: ReadonlyMap<string, number>
  readonly notes: readonly string[]
}

/**
 * Checks the cluster without joining the group.
 * @throws Refused: every missing permission, or else every topic that is not as it must be ·
 * TidemarkError `TOPIC_CHANGED`, `BROKER_UNAVAILABLE`, `AUTHENTICATION`
 */
export async function checkCluster(o: ClusterOptions): Promise<ClusterCheck> {
  const { records, definitions, group, guarantee, brokers } = o
  refuseIfAny(definitions.flatMap((d) => nameFaults(d, group)))
  const sources = [...new Set(definitions.map((d) => d.source.topic))]
  const checkpoints = definitions.flatMap((d) => {
    const name = checkpointTopic(d, group)
    return name === null ? [] : [{ name, of: d.source.topic }]
  })
  const tables = definitions.flatMap(tableTopics)
  const reads = [...new Set([...sources, ...checkpoints.map((c) => c.name), ...tables])]
  const writes = [...new Set(definitions.flatMap((d) => committedTopics(d, group)))]
  refuseIfAny(await records.topics.missingRights({ group, guarantee, reads, writes }))
  const shadows = [...new Set(definitions.flatMap(shadowTopics))]
  const topics = await records.topics.describe([...new Set([...reads, ...writes, ...shadows])])
  const checks = definitions.map((d) => checkTopics(d, topics, brokers))
  const ownFaults = checkpoints.flatMap(({ name, of: sourceTopic }) => {
    const [topic, source] = [topics.get(name), topics.get(sourceTopic)]
    return topic && source ? checkpointFaults(topic, source) : []
  })
  refuseIfAny([...checks.flatMap((c) => c.faults), ...ownFaults])
  const toMake = checkpoints
    .filter(({ name }) => !topics.has(name))
    .map(({ name, of: source }) => newCheckpointTopic(name, topics.get(source) as TopicInfo))
  const partitionOffsets: PartitionOffsets[] = []
  const known = new Map<string, number>()
  for (const topic of sources) {
    const offsets = await records.source.offsets(group, topic)
    const keepsWindows = definitions.some((d) => d.source.topic === topic && keepsState(d))
    known.set(topic, knownPartitions(offsets, topics.get(topic)?.partitions ?? 0, keepsWindows))
    partitionOffsets.push(...offsets)
  }
  const notes = checks.flatMap((c) => c.notes)
  if (shadows.length > 0) {
    const needs = { group, guarantee, reads: [], writes: shadows }
    const lacking = await records.topics.missingRights(needs)
    notes.push(...lacking.map(({ message }) => `scores of a shadow cannot be written: ${message}`))
  }
  return { topics, toMake, partitionOffsets, known, notes }
}

/** @throws TidemarkError `TOPIC_CHANGED`: windows are kept for keys that have moved */
function knownPartitions(
  partitionOffsets: readonly PartitionOffsets[],
  now: number,
  keepsWindows: boolean,
): number {
  let known = now
  for (const { topic, committed } of partitionOffsets) {
    const note = committed === null ? null : decodeMetadata(committed.metadata)
    if (note === null) continue
    if (keepsWindows) checkPartitions(topic, note.partitions, now)
    known = Math.min(known, note.partitions)
  }
  return known
}

/** The smallest limit, bytes: below it not even a dead letter without its value fits. */
const SMALLEST_MAX_BYTES = 4_096

/** @param brokers for the command that creates a missing topic */
export function checkTopics(
  definition: Definition,
  topics: ReadonlyMap<string, TopicInfo>,
  brokers: string,
): { readonly faults: readonly TidemarkError[]; readonly notes: readonly string[] } {
  const { name: where, source } = definition
  const known = topics.get(source.topic)
  const faults: TidemarkError[] = []
  const notes = known === undefined ? [] : guardNotes(definition, known)
  const shadows = shadowTopics(definition)
  for (const name of allTopics(definition)) {
    const create = `kafka-topics.sh --bootstrap-server ${brokers} --create --topic ${name} --partitions ${known?.partitions ?? 6}`
    const fault = topicFault(name, topics.get(name), { where, create })
    if (fault === null) continue
    if (!shadows.includes(name)) faults.push(fault)
    else notes.push(`${where}: no scores of a shadow are written: ${fault.message}; ${fault.hint}`)
  }
  if (known?.isCompacted === true) {
    const message = `topic "${known.name}" is compacted (cleanup.policy): the broker deletes records that windows need`
    const hint =
      'read a topic with cleanup.policy=delete; a compacted one holds the newest record of each key only'
    faults.push(new TidemarkError('TOPIC_COMPACTED', message, { where, hint }))
  }
  faults.push(...tableFaults(definition, topics))
  return { faults, notes }
}

/** @param o `create`: the command that creates the topic */
function topicFault(
  name: string,
  topic: TopicInfo | undefined,
  { where, create }: { readonly where: string; readonly create: string },
): TidemarkError | null {
  if (topic === undefined) {
    const message = `topic "${name}" does not exist`
    return new TidemarkError('TOPIC_MISSING', message, { where, hint: create })
  }
  if (topic.maxMessageBytes === null || topic.maxMessageBytes >= SMALLEST_MAX_BYTES) return null
  const message = `topic "${name}" takes only ${topic.maxMessageBytes} bytes (max.message.bytes)`
  const hint = `set its max.message.bytes to ${SMALLEST_MAX_BYTES} or more; 1048588 is Kafka's own`
  return new TidemarkError('TOPIC_LIMITS', message, { where, hint })
}

/** A compacted topic keeps one version of each record key only. */
function tableFaults({ name, tables }: Definition, topics: ReadonlyMap<string, TopicInfo>) {
  return tables.flatMap((table) => {
    const topic = topics.get(table.from.topic ?? '')
    if (table.asOf === null || table.key !== null || topic?.isCompacted !== true) return []
    const message = `topic "${topic.name}" is compacted (cleanup.policy): the broker deletes versions that table "${table.name}" needs for asOf`
    const hint =
      'set cleanup.policy=delete; or let the key of a record name its version, and give the key of the row with `key`'
    return [new TidemarkError('TOPIC_COMPACTED', message, { where: name, hint })]
  })
}

/**
 * The future guard trusts the record's timestamp, which a producer may set freely unless the topic
 * bounds it.
 */
function guardNotes({ name, source }: Definition, topic: TopicInfo): string[] {
  const { maxAheadMs } = source.watermark
  const isRecords = source.eventTimeMs === 'record'
  if (isRecords && topic.timestampType === 'LogAppendTime') return []
  if (maxAheadMs === 'none') {
    return [
      `${name}: watermark.maxAhead is off: one clock far ahead makes the rest of its partition late`,
    ]
  }
  const after = topic.timestampAfterMaxMs
  if (topic.timestampType !== 'CreateTime' || (after !== null && after <= maxAheadMs)) return []
  const bound = after === null ? 'unknown' : after > 1e14 ? 'unbounded' : formatDuration(after)
  const takes = `topic "${topic.name}" takes timestamps from producers (message.timestamp.after.max.ms: ${bound})`
  const danger = isRecords
    ? `they are the event times, so the future guard of ${formatDuration(maxAheadMs)} is void: one clock far ahead makes the rest of its partition late`
    : `a producer that copies a wrong event time there passes the future guard of ${formatDuration(maxAheadMs)}`
  return [`${name}: ${takes}; ${danger}`]
}
