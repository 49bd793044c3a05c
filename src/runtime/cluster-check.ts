import { keepsState } from '../engine/horizon.ts'
import { refuseIfAny } from '../kernel/errors.ts'
import type { Guarantee, PartitionOffsets, Records, TopicInfo } from '../records/port.ts'
import { type Definition, outputTopics } from '../topology/definition.ts'
import { unpackNote } from './restart-note.ts'
import { checkPartitions } from './restart-plan.ts'
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
  const reads = [...new Set(definitions.map((d) => d.source.topic))]
  const writes = [...new Set(definitions.flatMap((d) => outputTopics(d)))]
  refuseIfAny(await records.missingRights({ group, guarantee, reads, writes }))
  const topics = await records.describeTopics([...new Set([...reads, ...writes])])
  const checks = definitions.map((d) => checkTopics(d, topics, brokers))
  refuseIfAny(checks.flatMap((c) => c.faults))
  const partitionOffsets: PartitionOffsets[] = []
  const known = new Map<string, number>()
  for (const topic of reads) {
    const of = await records.partitionOffsets(group, topic)
    const keepsWindows = definitions.some((d) => d.source.topic === topic && keepsState(d))
    known.set(topic, knownPartitions(of, topics.get(topic)?.partitions ?? 0, keepsWindows))
    partitionOffsets.push(...of)
  }
  return { topics, partitionOffsets, known, notes: checks.flatMap((c) => c.notes) }
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
    const note = committed === null ? null : unpackNote(committed.metadata)
    if (note === null) continue
    if (keepsWindows) checkPartitions(topic, note.partitions, now)
    known = Math.min(known, note.partitions)
  }
  return known
}
