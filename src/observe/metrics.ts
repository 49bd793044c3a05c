import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { partitionName } from '../kernel/ids.ts'
import type { Observer } from '../runtime/events.ts'
import { byType, type EventOf } from './by-type.ts'

// Prometheus metrics, all of this process. Nothing is labelled by key, offset or message.

interface ModelInfo {
  readonly model: string
  readonly version: string
  readonly sha256: string
}

export interface MetricsOptions {
  /** Version of Tidemark. */
  readonly version: string
  readonly models: readonly ModelInfo[]
  /** Log lines that could not be written so far. @default none */
  readonly droppedLines?: () => number
}

export interface Metrics {
  readonly observer: Observer
  readonly contentType: string
  /** Every metric in the text format of Prometheus. */
  text(): Promise<string>
}

/** Metrics of a worker and of its process, in a registry of their own. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  describeBuild(registry, options)
  countDroppedLines(registry, options)
  const observers = [
    recordMetrics,
    inferenceMetrics,
    partitionMetrics,
    restoreMetrics,
    commitMetrics,
  ].map((of) => of(registry))
  return {
    observer: (event) => {
      for (const observe of observers) observe(event)
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
}

/** Seconds, for what takes microseconds to seconds. */
const SHORT = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
]
/** Seconds, the boundaries that OpenTelemetry advises for a request. */
const REQUEST = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** Seconds, up to a day: a backlog is part of the delay. */
const DELAY = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400]
const BATCH_RECORDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

/** Makes metrics with the common prefix in one registry. */
function maker(registry: Registry) {
  const registers = [registry]
  return {
    counter: <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
      new Counter({ name: `tidemark_${name}`, help, labelNames, registers }),
    gauge: <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
      new Gauge({ name: `tidemark_${name}`, help, labelNames, registers }),
    histogram: <L extends string>(
      name: string,
      o: { help: string; buckets: number[]; labelNames: readonly L[] },
    ) => new Histogram({ name: `tidemark_${name}`, ...o, registers }),
  }
}

function describeBuild(registry: Registry, options: MetricsOptions): void {
  const { gauge } = maker(registry)
  gauge('build_info', 'Always 1; the labels tell', ['version', 'node']).set(
    { version: options.version, node: process.versions.node },
    1,
  )
  const modelInfo = gauge('model_info', 'Always 1; the labels tell', ['model', 'version', 'sha256'])
  for (const { model, version, sha256 } of options.models) {
    modelInfo.set({ model, version, sha256 }, 1)
  }
}

function countDroppedLines(registry: Registry, { droppedLines = () => 0 }: MetricsOptions): void {
  const counter: Counter = new Counter({
    name: 'tidemark_log_lines_dropped_total',
    help: 'Log lines that could not be written',
    registers: [registry],
    collect: () => {
      counter.reset()
      counter.inc(droppedLines())
    },
  })
}

function recordMetrics(registry: Registry): Observer {
  const { counter, histogram } = maker(registry)
  const consumed = counter('records_consumed_total', 'Records read', [
    'topology',
    'topic',
    'partition',
  ])
  const bytes = counter('consumed_bytes_total', 'Bytes read', ['topology', 'topic'])
  const processed = counter('records_processed_total', 'Records by what became of them', [
    'topology',
    'step',
    'outcome',
  ])
  const late = counter('late_records_total', 'Records behind the watermark by what was done', [
    'topology',
    'step',
    'action',
  ])
  const dead = counter('dead_letters_total', 'Records set aside by the code of their error', [
    'topology',
    'topic',
    'step',
    'error_class',
  ])
  const misplaced = counter(
    'key_mismatch_events_total',
    'Events in another partition than others of their key, of those that are looked at',
    ['topology', 'topic'],
  )
  const closed = counter('windows_closed_total', 'Tumbling windows that closed', [
    'topology',
    'step',
  ])
  const duration = histogram('step_duration_seconds', {
    help: 'Time that one step takes over one chunk',
    buckets: SHORT,
    labelNames: ['topology', 'step'],
  })
  return byType({
    consumed: ({ topology, partition: { topic, partition }, ...read }) => {
      consumed.inc({ topology, topic, partition }, read.records)
      bytes.inc({ topology, topic }, read.bytes)
    },
    processed: ({ topology, step, outcomes, closed: windows }) => {
      for (const [keeper, count] of windows) closed.inc({ topology, step: keeper }, count)
      processed.inc({ topology, step, outcome: 'ok' }, outcomes.scored)
      processed.inc({ topology, step, outcome: 'windowed' }, outcomes.windowed)
      processed.inc({ topology, step, outcome: 'filtered' }, outcomes.skipped)
      processed.inc({ topology, step, outcome: 'late' }, outcomes.late)
      processed.inc({ topology, step, outcome: 'dead_letter' }, outcomes.dead)
    },
    late: ({ topology, step, action, count }) => late.inc({ topology, step, action }, count),
    'key-mismatch': ({ topology, partition: { topic }, events }) =>
      misplaced.inc({ topology, topic }, events),
    'dead-letter': ({ topology, topic, step, code }) =>
      dead.inc({ topology, topic, step, error_class: code }),
    step: ({ topology, step, durationMs }) =>
      duration.observe({ topology, step }, durationMs / 1_000),
  })
}

function inferenceMetrics(registry: Registry): Observer {
  const { counter, histogram } = maker(registry)
  const ofModel = ['topology', 'model', 'version'] as const
  const inferences = counter('inferences_total', 'Rows that a model scored', ofModel)
  const duration = histogram('inference_duration_seconds', {
    help: 'Time of one run of a model over one batch',
    buckets: SHORT,
    labelNames: ofModel,
  })
  const batch = histogram('inference_batch_records', {
    help: 'Rows in one run of a model',
    buckets: BATCH_RECORDS,
    labelNames: ['topology', 'model'],
  })
  return byType({
    inference: ({ topology, model, version, rows, durationMs }) => {
      inferences.inc({ topology, model, version }, rows)
      duration.observe({ topology, model, version }, durationMs / 1_000)
      batch.observe({ topology, model }, rows)
    },
  })
}

/** How far one partition was processed, for as long as it is assigned. */
interface Progress {
  readonly labels: Labels
  nextOffset: number
  endOffset: number
}

function partitionMetrics(registry: Registry): Observer {
  const { gauge } = maker(registry)
  const ofPartition = ['topology', 'topic', 'partition'] as const
  const lag = gauge('consumer_lag_records', 'Records not yet processed', ofPartition)
  const watermark = gauge(
    'watermark_timestamp_seconds',
    'Event time before which no event is expected, since the epoch',
    ofPartition,
  )
  const keys = gauge('state_keys', 'Keys that windows hold', ofPartition)
  const bytes = gauge('state_bytes', 'Bytes that windows hold, about', ofPartition)
  const assigned = gauge('partitions_assigned', 'Partitions that this worker reads', [
    'topology',
    'topic',
  ])
  const progressOf = new Map<string, Progress>()
  /** By partition name. Where these end is not known, so neither is their lag. */
  let unreadable: ReadonlySet<string> = new Set()
  // What is still heard of a lost partition must not bring its series back: another worker tells of it now.
  const ifAssigned = (event: OfPartition, tell: (progress: Progress, labels: Labels) => void) => {
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

function restoreMetrics(registry: Registry): Observer {
  const { counter, gauge, histogram } = maker(registry)
  const ofPartition = ['topology', 'topic', 'partition'] as const
  const left = gauge('restore_left_records', 'Offsets still to be read again', ofPartition)
  const restored = counter('restored_records_total', 'Records read again for the windows', [
    'topology',
    'topic',
  ])
  const duration = histogram('restore_duration_seconds', {
    help: 'Time until the windows of a partition were whole again',
    buckets: DELAY,
    labelNames: ['topology'],
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

function commitMetrics(registry: Registry): Observer {
  const { counter, histogram } = maker(registry)
  const commits = counter('commits_total', 'Commits by their outcome', ['outcome'])
  const duration = histogram('commit_duration_seconds', {
    help: 'Time until outputs and offsets are durable',
    buckets: REQUEST,
    labelNames: [],
  })
  const throttled = counter(
    'throttled_seconds_total',
    'Time that brokers made this worker wait',
    [],
  )
  const records = counter('records_produced_total', 'Records written', ['topic'])
  const bytes = counter('produced_bytes_total', 'Bytes written', ['topic'])
  const endToEnd = histogram('end_to_end_latency_seconds', {
    help: "From a record's own timestamp to its output's acknowledgement, the oldest of each chunk",
    buckets: DELAY,
    labelNames: [],
  })
  return byType({
    committed: (commit) => {
      commits.inc({ outcome: 'ok' })
      duration.observe(commit.durationMs / 1_000)
      for (const output of commit.outputs) {
        records.inc({ topic: output.topic }, output.records)
        bytes.inc({ topic: output.topic }, output.bytes)
      }
      for (const delayMs of commit.endToEndMs) endToEnd.observe(delayMs / 1_000)
    },
    'commit-failed': () => commits.inc({ outcome: 'failed' }),
    throttled: ({ durationMs }) => throttled.inc(durationMs / 1_000),
  })
}
