import { keepsState } from '../engine/plan.ts'
import { refuseIfAny, type TidemarkError } from '../kernel/errors.ts'
import type { Guarantee, NewTopic, PartitionOffsets, Records, TopicInfo } from '../records/port.ts'
import type { Definition } from '../topology/definition.ts'
import { shadowTopics, tableTopics } from '../topology/graph.ts'
import { decodeMetadata } from './commit/checkpoint-metadata.ts'
import {
  checkpointFaults,
  checkpointTopic,
  committedTopics,
  nameFaults,
  newCheckpointTopic,
} from './commit/checkpoint-topic.ts'
import { checkPartitions } from './commit/restart-plan.ts'
import { checkTopics } from './topics.ts'

// What is checked of a cluster before anything is consumed (rules S1, S2): what the user is
// authorized to do, what the topics are like, and what the group has committed.

/** What {@link checkCluster} needs. */
export interface ClusterOptions {
  readonly records: Records
  readonly definitions: readonly Definition[]
  readonly group: string
  readonly guarantee: Guarantee
  /** The brokers' addresses, for messages. */
  readonly brokers: string
}

/** What {@link checkCluster} has found. */
export interface ClusterCheck {
  readonly topics: ReadonlyMap<string, TopicInfo>
  /** Topics of the group's own that a worker has to make. */
  readonly toMake: readonly NewTopic[]
  /** The group's committed offsets in the sources. */
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
  const checkpoints = definitions.flatMap((d) => checkpointTopic(d, group) ?? [])
  const tables = definitions.flatMap(tableTopics)
  const reads = [...new Set([...sources, ...checkpoints, ...tables])]
  const writes = [...new Set(definitions.flatMap((d) => committedTopics(d, group)))]
  refuseIfAny(await records.missingRights({ group, guarantee, reads, writes }))
  const shadows = [...new Set(definitions.flatMap(shadowTopics))]
  const topics = await records.describeTopics([...new Set([...reads, ...writes, ...shadows])])
  const checks = definitions.map((d) => checkTopics(d, topics, brokers))
  const checked = definitions.map((d) => checkCheckpoint(d, group, topics))
  refuseIfAny([...checks, ...checked].flatMap((c) => c.faults))
  const partitionOffsets: PartitionOffsets[] = []
  const known = new Map<string, number>()
  for (const topic of sources) {
    const of = await records.partitionOffsets(group, topic)
    const keepsWindows = definitions.some((d) => d.source.topic === topic && keepsState(d))
    known.set(topic, knownPartitions(of, topics.get(topic)?.partitions ?? 0, keepsWindows))
    partitionOffsets.push(...of)
  }
  const toMake = checked.flatMap((c) => c.toMake)
  const notes = checks.flatMap((c) => c.notes)
  if (shadows.length > 0) {
    const lacking = await records.missingRights({ group, guarantee, reads: [], writes: shadows })
    notes.push(...lacking.map(({ message }) => `scores of a shadow cannot be written: ${message}`))
  }
  return { topics, toMake, partitionOffsets, known, notes }
}

/** Checks the topic in which verdicts are written down, or says how it is made. */
function checkCheckpoint(
  definition: Definition,
  group: string,
  topics: ReadonlyMap<string, TopicInfo>,
): { readonly faults: readonly TidemarkError[]; readonly toMake: readonly NewTopic[] } {
  const name = checkpointTopic(definition, group)
  const source = topics.get(definition.source.topic)
  if (name === null || source === undefined) return { faults: [], toMake: [] }
  const topic = topics.get(name)
  return topic === undefined
    ? { faults: [], toMake: [newCheckpointTopic(name, source)] }
    : { faults: checkpointFaults(topic, source), toMake: [] }
}

/**
 * The number of partitions that the source had when the group began.
 * @throws TidemarkError `TOPIC_CHANGED`: the number has changed, and windows are kept for keys that
 * have moved
 */
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
