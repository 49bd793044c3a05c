import { partitionName } from '../kernel/ids.ts'
import type { Observer } from '../runtime/events.ts'
import { byType, type EventOf } from './by-type.ts'
import type { MetricMaker } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

const OF_PARTITION = ['topology', 'topic', 'partition'] as const
/** Buckets in seconds, up to a day. */
const RESTORE = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400]

/** Progress of one partition while it is assigned. */
interface PartitionSeries {
  readonly labels: Labels
  nextOffset: number
  endOffset: number
}

/** Metrics of the progress of this worker's partitions. */
export function partitionMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const gauge = (name: string, help: string) => make.gauge(name, { help, labelNames: OF_PARTITION })
  const lag = gauge('consumer_lag_records', 'Records not yet processed')
  const watermark = gauge(
    'watermark_timestamp_seconds',
    'Watermark: event time before which no more events are expected, seconds since the epoch',
  )
  const keys = gauge('state_keys', 'Keys in windows')
  const bytes = gauge('state_bytes', 'Approximate size of windows, bytes')
  const assigned = make.gauge('partitions_assigned', {
    help: 'Partitions that this worker reads',
    labelNames: ['topology', 'topic'],
    known: watched.map(({ topology, source }) => ({ topology, topic: source })),
  })
  const progressOf = new Map<string, PartitionSeries>()
  /** Names of the partitions whose log end is not known, so neither is their lag. */
  let unreadable: ReadonlySet<string> = new Set()
  // A late event about a lost partition must not bring its series back: another worker reports it
  // now.
  const ifAssigned = (
    event: OfPartition,
    tell: (progress: PartitionSeries, labels: Labels) => void,
  ) => {
    const labels = labelsOf(event)
    const progress = progressOf.get(JSON.stringify(labels))
    if (progress === undefined) return
    tell(progress, labels)
    if (unreadable.has(partitionName(labels))) return
    lag.set(labels, Math.max(0, progress.endOffset - progress.nextOffset))
  }
  return byType({
    assigned: (event) => {
      const labels = labelsOf(event)
      const { topology, topic } = labels
      const id = JSON.stringify(labels)
      if (!progressOf.has(id)) assigned.inc({ topology, topic })
      progressOf.set(id, { labels, nextOffset: event.nextOffset, endOffset: event.nextOffset })
    },
    lost: (event) => {
      const labels = labelsOf(event)
      if (!progressOf.delete(JSON.stringify(labels))) return
      assigned.dec({ topology: labels.topology, topic: labels.topic })
      lag.remove(labels)
      for (const of of [watermark, keys, bytes]) of.remove(labels)
    },
    unreadable: ({ partitions }) => {
      unreadable = new Set(partitions.map(partitionName))
      for (const { labels } of progressOf.values()) {
        if (unreadable.has(partitionName(labels))) lag.remove(labels)
      }
    },
    consumed: (event) =>
      ifAssigned(event, (progress) => {
        progress.endOffset = event.endOffset
      }),
    processed: (event) =>
      ifAssigned(event, (progress, labels) => {
        progress.nextOffset = event.nextOffset
        keys.set(labels, event.keys)
        bytes.set(labels, event.bytes)
        if (Number.isFinite(event.watermarkMs)) watermark.set(labels, event.watermarkMs / 1_000)
      }),
  })
}

/** Metrics of what is read again to restore windows. */
export function restoreMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const left = make.gauge('restore_left_records', {
    help: 'Offsets still to be read again',
    labelNames: OF_PARTITION,
  })
  const restored = make.counter('restored_records_total', {
    help: 'Records read again to restore windows',
    labelNames: ['topology', 'topic'],
    known: watched.map(({ topology, source }) => ({ topology, topic: source })),
  })
  const duration = make.histogram('restore_duration_seconds', {
    help: 'Time to restore the windows of a partition',
    buckets: RESTORE,
    labelNames: ['topology'],
    known: watched.map(({ topology }) => ({ topology })),
  })
  return byType({
    restoring: (event) => left.set(labelsOf(event), event.toOffset - event.nextOffset),
    restored: (event) => {
      const { topology, topic } = labelsOf(event)
      left.remove(labelsOf(event))
      restored.inc({ topology, topic }, event.records)
      duration.observe({ topology }, event.durationMs / 1_000)
    },
    lost: (event) => left.remove(labelsOf(event)),
  })
}

type OfPartition = EventOf<
  'assigned' | 'lost' | 'consumed' | 'processed' | 'restoring' | 'restored'
>
type Labels = ReturnType<typeof labelsOf>

function labelsOf({ topology, partition: { topic, partition } }: OfPartition) {
  return { topology, topic, partition }
}
