import type { PartitionOffsets } from '../records/port.ts'
import { metadataAt, type TopologyCheckpoint } from './commit/checkpoint-metadata.ts'
import type { PreparedTopology } from './prepare.ts'

// The oldest event that can still come: what tables with `asOf` must keep the versions for.

/**
 * The time of the oldest event that can still come to a topology, ms since the epoch, by what its
 * group has committed: the least watermark of all partitions, since each may come to this worker
 * and be read on from there. −Infinity: an event of any time may come, since a partition has no
 * watermark yet, or late events are scored.
 */
export function oldestEventMs(
  topology: PreparedTopology,
  offsets: readonly PartitionOffsets[],
): number {
  const { source } = topology.definition
  if (source.onLate === 'score') return Number.NEGATIVE_INFINITY
  const ofSource = offsets.filter(({ topic }) => topic === source.topic)
  const watermarksMs = ofSource.map((partition) => watermarkMs(topology, partition))
  return watermarksMs.length === 0 ? Number.NEGATIVE_INFINITY : Math.min(...watermarksMs)
}

/** The watermark with which a worker begins to read a partition; it may have been further. */
function watermarkMs(
  { definition, fingerprint }: PreparedTopology,
  { committed, ...partition }: PartitionOffsets,
): number {
  const note = committed === null ? null : metadataAt({ ...partition, ...committed })
  const own: TopologyCheckpoint | undefined = note?.topologies.get(definition.name)
  // Windows that are rebuilt begin without a watermark.
  if (own?.fingerprint !== fingerprint) return Number.NEGATIVE_INFINITY
  return Math.max(own.from.newestMs - definition.source.watermark.lagMs, own.from.idleMs)
}
