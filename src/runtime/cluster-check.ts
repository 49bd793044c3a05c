import { keepsState } from '../engine/horizon.ts'
import { refuseIfAny } from '../kernel/errors.ts'
import type { Guarantee, PartitionOffsets, Records, TopicInfo } from '../records/port.ts'
import { type Definition, outputTopics } from '../topology/definition.ts'
import { unpackNote } from './restart-note.ts'
import { checkPartitions } from './restart-plan.ts'
import { checkTopics } from './topics.ts'

// What must be true of a cluster before anything is consumed (rules S1, S2): what the user may do,
// what the topics are, and what the group has committed.

export interface ClusterOptions {
  readonly records: Records
  readonly definitions: readonly Definition[]
  readonly group: string
  readonly guarantee: Guarantee
  /** The brokers' addresses, for messages. */
  readonly brokers: string
}

export interface ClusterCheck {
  readonly topics: ReadonlyMap<string, TopicInfo>
  /** Where the group stands in the sources. */
  readonly partitionOffsets: readonly PartitionOffsets[]
  /** By source, the partitions that it had when the group began. */
  readonly known: ReadonlyMap<string, number>
  readonly notes: readonly string[]
}

/**
 * Joins nothing.
 * @throws Refused: every right that is missing, else every topic that is not as it must be ·
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
 * How many partitions the source had when the group began.
 * @throws TidemarkError `TOPIC_CHANGED`: others than now, and windows that are kept for keys which
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
