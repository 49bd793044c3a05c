import { REBALANCE_CAUSES } from '../connect/port.ts'
import { STAGES } from '../kernel/stages.ts'
import { WORKER_STATES } from '../runtime/events.ts'
import { WORST_FIRST } from '../runtime/troubles.ts'
import type { MetricRow } from './metric-registry.ts'
import {
  counter,
  each,
  gauge,
  histogram,
  labelsAt,
  type MetricSources,
  ofLoaded,
  ofPartition,
  TROUBLE,
  whileTrouble,
  withLabel,
} from './metric-rows.ts'

// Every metric of a worker. No label contains a key, an offset or a message.

/** Buckets in seconds, for durations from microseconds to seconds. */
const SHORT = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
]
const RESTORE = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400]
/**
 * Buckets in seconds, from the shortest time between commits up to a day: a backlog adds to the
 * delay.
 */
const DELAY = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  ...[300, 900, 3_600, 21_600, 86_400],
]

const OUTCOMES = {
  ...{ scored: 'ok', windowed: 'windowed', skipped: 'filtered' },
  ...{ duplicate: 'duplicate', late: 'late', dead: 'dead_letter' },
} as const
const DIFFERENCES = {
  ...{ mean: 'mean', absoluteMean: 'absolute_mean' },
  ...{ p1: 'p1', p5: 'p5', p50: 'p50', p95: 'p95', p99: 'p99' },
} as const
const SHADOW_ROWS = ['scored', 'failed', 'dropped'] as const
const SHADOW_OUTPUTS = ['written', 'dropped'] as const
const LOOKUPS = ['found', 'absent', 'early'] as const
const STORE_LOOKUPS = ['found', 'ahead', 'absent', 'expired', 'degraded'] as const
const STORE_CACHE = ['fresh', 'stale', 'missed'] as const
/** Others make a series when they come. */
const REQUEST_CODES = [200, 400, 404, 422, 429, 503, 504] as const
const LIMITS = ['target', 'maximum'] as const
const STAGES_OF_CHUNK = [...Object.keys(STAGES).filter((stage) => stage !== 'fetch'), 'queue']

const OF_TOPOLOGY = each(['topology'], () => [{}])
const OF_STEP = each(['topology', 'step'], ({ step }) => [{ step }])
const OF_SOURCE = each(['topology', 'topic'], ({ source: topic }) => [{ topic }])
const OF_SINK = each(['topic'], ({ outputs }) => outputs.map((topic) => ({ topic })))
const OF_TABLE = each(['table'], ({ tables }) => tables.map((table) => ({ table })))
const OF_STORE = each(['topology', 'store'], ({ stores }) => stores.map((store) => ({ store })))
const OF_MODEL = each(['topology', 'model', 'version'], ({ models }) => models)
const OF_SHADOW = each(['topology', 'step', 'model'], ({ shadows }) => shadows)
const OF_LATENCY_BUDGET = each(['topology', 'step'], ({ latency }) => latency)
const OF_ROUTE = {
  labels: ['route'],
  labelSets: ({ requestRoutes }: MetricSources) => requestRoutes.map((route) => ({ route })),
}

function entriesOf<K extends string, V>(map: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(map) as [K, V][]
}

/** Also a metric of the parent process of several workers. */
export const DROPPED_LINES: MetricRow<Pick<MetricSources, 'droppedLines'>> = {
  name: 'log_lines_dropped_total',
  type: 'counter',
  help: 'Log lines that could not be written',
  read: ({ droppedLines }) => [[{}, droppedLines()]],
}

export const METRICS: readonly MetricRow<MetricSources>[] = [
  gauge('build_info', {
    help: 'Always 1; the labels give the versions',
    labels: ['version', 'node'],
    read: ({ version }) => [[{ version, node: process.versions.node }, 1]],
  }),
  DROPPED_LINES,
  gauge('worker_state', {
    help: '1 for the state of the worker, 0 for the others',
    labels: ['state'],
    read: ({ worker }) => WORKER_STATES.map((state) => [{ state }, Number(state === worker.state)]),
  }),
  {
    ...TROUBLE,
    read: ({ worker }) =>
      WORST_FIRST.map((kind) => [{ kind }, worker.troubles.ofKind(kind).length]),
  },
  counter('rebalances_total', {
    help: 'Rebalances of the group that this worker took part in, by what began them',
    labels: ['why'],
    labelSets: () => REBALANCE_CAUSES.map((why) => ({ why })),
    on: { rebalance: ({ cause: why }) => [[{ why }, 1]] },
  }),
  counter('records_consumed_total', {
    help: 'Records read',
    labels: ['topology', 'topic', 'partition'],
    on: { assigned: () => 0, consumed: ({ records }) => records },
  }),
  counter('consumed_bytes_total', {
    help: 'Bytes read',
    ...OF_SOURCE,
    on: { consumed: ({ bytes }) => bytes },
  }),
  counter('records_processed_total', {
    help: 'Records by outcome',
    ...withLabel(OF_STEP, 'outcome', Object.values(OUTCOMES)),
    on: {
      processed: ({ outcomes }) =>
        entriesOf(OUTCOMES).map(([name, outcome]) => [{ outcome }, outcomes[name]]),
    },
  }),
  counter('late_records_total', {
    help: 'Records behind the watermark, by the action taken',
    ...each(['topology', 'step', 'action'], ({ late: { steps, action } }) =>
      steps.map((step) => ({ step, action })),
    ),
    on: { late: ({ count }) => count },
  }),
  counter('dead_letters_total', {
    help: 'Records set aside, by error code',
    ...each(
      ['topology', 'topic', 'step', 'error_class'],
      ({ deadLetters, deadLetterTopic: topic }) =>
        deadLetters.map(({ step, code }) => ({ topic, step, error_class: code })),
    ),
    on: { 'dead-letter': ({ code }) => [[{ error_class: code }, 1]] },
  }),
  counter('windows_closed_total', {
    help: 'Tumbling windows that closed',
    ...each(['topology', 'step'], ({ tumbling }) => tumbling.map((step) => ({ step }))),
    on: { processed: ({ closed }) => [...closed].map(([step, count]) => [{ step }, count]) },
  }),
  counter('key_mismatch_events_total', {
    help: 'Events in another partition than others of their key, among those checked',
    ...OF_SOURCE,
    on: { 'key-mismatch': ({ events }) => events },
  }),
  counter('requests_total', {
    help: 'Requests, by route and by the code that answered them',
    ...withLabel(OF_ROUTE, 'code', REQUEST_CODES),
    on: { request: () => 1 },
  }),
  histogram('request_duration_seconds', {
    help: 'Time from the head of a request to its answer',
    ...OF_ROUTE,
    buckets: SHORT,
    on: { request: ({ durationMs }) => durationMs / 1_000 },
  }),
  histogram('requests_waiting', {
    help: 'Requests that others found unanswered',
    labels: [],
    buckets: [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024],
    on: { request: ({ waiting }) => waiting },
  }),
  gauge('model_info', {
    help: 'Always 1; the labels describe the model',
    ...ofLoaded(['model', 'version', 'sha256', 'evaluator', 'provider'], () => 1),
  }),
  gauge('model_memory_bytes', {
    help: 'Memory of a model, estimated from the size of its file; models of the same file may share it',
    ...ofLoaded(['model', 'version'], ({ bytes }) => bytes),
  }),
  gauge('model_threads', {
    help: 'Threads that run a model, besides the event loop',
    ...ofLoaded(['model', 'version'], ({ threads }) => threads),
  }),
  counter('inferences_total', {
    help: 'Rows that a model scored',
    ...OF_MODEL,
    on: { inference: ({ rows }) => rows },
  }),
  histogram('inference_duration_seconds', {
    help: 'Time that a model takes over the rows of one chunk',
    ...OF_MODEL,
    buckets: SHORT,
    on: { inference: ({ durationMs }) => durationMs / 1_000 },
  }),
  histogram('inference_batch_records', {
    help: 'Rows of one chunk that a model scored',
    ...each(['topology', 'model'], ({ models }) => models),
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    on: { inference: ({ rows }) => rows },
  }),
  counter('scores_total', {
    help: 'Rows that were given to a model, by why and by what became of them',
    ...each(['topology', 'model', 'version', 'route', 'outcome'], ({ routes }) =>
      routes.flatMap((route) => route.outcomes.map((outcome) => ({ ...route, outcome }))),
    ),
    on: { scored: ({ attempts }) => attempts.map(({ rows, ...labels }) => [labels, rows]) },
  }),
  histogram('score', {
    help: 'Scores that were published, of the first output',
    counted: ({ scores }) => scores,
  }),
  counter('shadow_rows_total', {
    help: 'Rows for a shadow; dropped: it was behind, hangs, or is off',
    ...withLabel(OF_SHADOW, 'outcome', SHADOW_ROWS),
    on: { 'shadow-rows': (counts) => SHADOW_ROWS.map((outcome) => [{ outcome }, counts[outcome]]) },
  }),
  counter('shadow_outputs_total', {
    help: 'Outputs of a shadow; dropped: they could not be written in time',
    ...withLabel(OF_SHADOW, 'outcome', SHADOW_OUTPUTS),
    on: {
      'shadow-outputs': (counts) => SHADOW_OUTPUTS.map((outcome) => [{ outcome }, counts[outcome]]),
    },
  }),
  gauge('shadow_difference', {
    help: "A shadow's scores minus the published ones, since the start",
    ...withLabel(OF_SHADOW, 'statistic', Object.values(DIFFERENCES)),
    on: {
      'shadow-parity': ({ difference }) =>
        entriesOf(DIFFERENCES).map(([name, statistic]) => [{ statistic }, difference[name]]),
    },
  }),
  gauge('shadow_psi', {
    help: 'Population stability index of published scores and those of a shadow; 0 at first',
    ...OF_SHADOW,
    on: { 'shadow-parity': ({ psi }) => psi },
  }),
  gauge('consumer_lag_records', {
    help: 'Records not yet processed, as last known while a partition cannot be read',
    ...ofPartition(({ firstEnd, lag }) => (firstEnd === null ? null : lag)),
  }),
  gauge('event_time_lag_seconds', {
    help: 'Wall clock minus watermark; not while a partition is idle',
    ...ofPartition((partition) => partition.eventTimeLagMs && partition.eventTimeLagMs / 1_000),
  }),
  gauge('partition_idle', {
    help: '1 while a partition that was read to its end has had no record for idleAfter, or without it for a minute',
    ...ofPartition(({ isIdle }) => Number(isIdle)),
  }),
  gauge('watermark_timestamp_seconds', {
    help: 'Watermark: event time before which no more events are expected, seconds since the epoch',
    ...ofPartition(({ windows }) =>
      windows && Number.isFinite(windows.watermarkMs) ? windows.watermarkMs / 1_000 : null,
    ),
  }),
  gauge('state_keys', {
    help: 'Keys in windows',
    ...ofPartition(({ windows }) => windows && windows.keys),
  }),
  gauge('state_bytes', {
    help: 'Approximate size of windows, bytes',
    ...ofPartition(({ windows }) => windows && windows.bytes),
  }),
  gauge('partitions_assigned', {
    help: 'Partitions that this worker reads',
    labels: ['topology', 'topic'],
    read: ({ topologies, worker }) =>
      topologies.map(({ topology, source: topic }) => {
        const assigned = worker.partitions.filter((partition) => partition.topology === topology)
        return [{ topology, topic }, assigned.length]
      }),
  }),
  gauge('restore_left_records', {
    help: 'Offsets still to be read again',
    labels: ['topology', 'topic', 'partition'],
    read: ({ worker }) =>
      worker.restores.map(({ last }) => [labelsAt(last), last.toOffset - last.nextOffset]),
  }),
  counter('restored_records_total', {
    help: 'Records read again to restore windows',
    ...OF_SOURCE,
    on: { restored: ({ records }) => records },
  }),
  histogram('restore_duration_seconds', {
    help: 'Time to restore the windows of a partition',
    ...OF_TOPOLOGY,
    buckets: RESTORE,
    on: { restored: ({ durationMs }) => durationMs / 1_000 },
  }),
  counter('commits_total', {
    help: 'Commits by their outcome',
    labels: ['outcome'],
    labelSets: () => [{ outcome: 'ok' }, { outcome: 'failed' }],
    on: {
      committed: () => [[{ outcome: 'ok' }, 1]],
      'commit-failed': () => [[{ outcome: 'failed' }, 1]],
    },
  }),
  gauge('commit_last_success_timestamp_seconds', {
    help: 'When the last commit succeeded, seconds since the epoch; 0: none has',
    read: ({ worker: { committedMs } }) => [[{}, (committedMs ?? 0) / 1_000]],
  }),
  counter('throttled_seconds_total', {
    help: 'Time that brokers made this worker wait',
    on: { throttled: ({ durationMs }) => durationMs / 1_000 },
  }),
  counter('records_produced_total', {
    help: 'Records written',
    ...OF_SINK,
    on: { committed: ({ outputs }) => outputs.map(({ topic, records }) => [{ topic }, records]) },
  }),
  counter('produced_bytes_total', {
    help: 'Bytes written',
    ...OF_SINK,
    on: { committed: ({ outputs }) => outputs.map(({ topic, bytes }) => [{ topic }, bytes]) },
  }),
  histogram('end_to_end_latency_seconds', {
    help: "From a record's timestamp to the acknowledgement of its output, for the oldest record of each chunk and sink",
    ...each(['sink'], ({ outputs }) => outputs.map((sink) => ({ sink }))),
    buckets: DELAY,
    on: {
      committed: ({ outputs }) =>
        outputs.flatMap(({ topic: sink, endToEndMs }) =>
          endToEndMs.map((delayMs) => [{ sink }, delayMs / 1_000] as const),
        ),
    },
  }),
  histogram('stage_duration_seconds', {
    help: 'Time in one stage: of one chunk, of one fetch, of one commit',
    counted: ({ worker }) => worker.stages,
  }),
  gauge('stage_recent_seconds', {
    help: 'Time in one stage over the last one to two minutes; NaN: nothing was timed',
    labels: ['topology', 'stage', 'statistic'],
    read: ({ worker }) =>
      worker.stages.stages.flatMap(({ durations: { labels }, recent }) =>
        recent
          .statistics(performance.now())
          .map(([statistic, seconds]) => [{ ...labels, statistic }, seconds]),
      ),
  }),
  counter('late_predictions_total', {
    help: 'Scored events whose outputs took longer than the target, or the maximum, of their latency budget',
    ...withLabel(withLabel(OF_LATENCY_BUDGET, 'limit', LIMITS), 'stage', STAGES_OF_CHUNK),
    on: {
      committed: (_, { worker }) =>
        worker.late.map(({ topology, step, limit, stage, events }) => [
          { topology, step, limit, stage },
          events,
        ]),
    },
  }),
  gauge('table_rows', {
    help: 'Rows of a table, with asOf versions of rows',
    ...OF_TABLE,
    on: { 'table-read': ({ rows }) => rows },
  }),
  gauge('table_bytes', {
    help: 'Approximate memory of a table',
    ...OF_TABLE,
    on: { 'table-read': ({ bytes }) => bytes },
  }),
  gauge('table_lag_records', {
    help: "Records of a table's topic that are not applied yet",
    ...OF_TABLE,
    on: { 'table-read': ({ lag }) => lag },
  }),
  counter('table_records_total', {
    help: "Records of a table's topic, or rows of its file, that were read",
    ...OF_TABLE,
    on: { 'table-read': ({ records }) => records },
  }),
  counter('table_invalid_records_total', {
    help: "Invalid records of a table's topic",
    ...OF_TABLE,
    on: { 'table-row-invalid': () => 1 },
  }),
  gauge('table_held_up', {
    help: '1 while a table cannot be kept up to date',
    ...OF_TABLE,
    ...whileTrouble('table'),
  }),
  counter('table_lookups_total', {
    help: 'Look-ups by outcome; early: the first version of the key is later than the event',
    ...withLabel(OF_TABLE, 'outcome', LOOKUPS),
    on: { 'looked-up': (counts) => LOOKUPS.map((outcome) => [{ outcome }, counts[outcome]]) },
  }),
  counter('store_lookups_total', {
    help: 'Look-ups by outcome; ahead: the row is later than the event; degraded: the store did not give it',
    ...withLabel(OF_STORE, 'outcome', STORE_LOOKUPS),
    on: { 'store-read': (tally) => STORE_LOOKUPS.map((outcome) => [{ outcome }, tally[outcome]]) },
  }),
  counter('store_cache_total', {
    help: 'Look-ups by whether memory has a row; missed: the store was asked, or could not be',
    ...withLabel(OF_STORE, 'outcome', STORE_CACHE),
    on: { 'store-read': (counts) => STORE_CACHE.map((outcome) => [{ outcome }, counts[outcome]]) },
  }),
  gauge('store_bytes', {
    help: 'Memory of the rows of a store, approximately, bytes',
    ...OF_STORE,
    on: { 'store-read': ({ bytes }) => bytes },
  }),
  histogram('store_request_duration_seconds', {
    help: 'Time from asking a store for rows to its answer, with what was computed',
    ...OF_STORE,
    buckets: SHORT,
    on: { 'store-asked': ({ durationMs }) => durationMs / 1_000 },
  }),
  counter('store_failed_requests_total', {
    help: 'Requests that a store did not answer, and rows that it did not take',
    ...OF_STORE,
    on: { 'store-asked': ({ error }) => (error === null ? 0 : 1) },
  }),
  counter('store_invalid_rows_total', {
    help: 'Values of a store that are no row',
    ...OF_STORE,
    on: { 'store-asked': ({ invalid }) => invalid },
  }),
  gauge('store_failing', {
    help: '1 while a store is not asked because it has failed',
    ...OF_STORE,
    ...whileTrouble('store'),
  }),
]
