import { expect, test, vi } from 'vitest'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { partition, samples, watched } from './events.ts'
import { observedMetrics } from './observed.ts'

/** The samples after these events: `name{labels}` without the prefix → number. */
async function after(...events: readonly RuntimeEvent[]): Promise<Record<string, number>> {
  const { metrics, observe } = observedMetrics([watched])
  for (const event of events) observe(event)
  const lines = (await metrics.text()).split('\n').filter((l) => l.startsWith('tidemark_'))
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^tidemark_(.+) (\S+)$/.exec(line) ?? []
      return [name, Number(value)]
    }),
  )
}

const of = '{topology="card-fraud",topic="payments",partition="3"}'
const scoredBy = 'topology="card-fraud",model="card-gbdt",version="1",route="main"'
const { assigned, committed, consumed, processed, lost } = samples

test('every event is counted by the names that dashboards know', async () => {
  const order = [assigned, consumed, processed] as const
  const { state, fetched, inference, scored, late } = samples
  const failed = samples['commit-failed']
  const { throttled, 'dead-letter': dead } = samples
  const events = [state, fetched, inference, scored, late, dead, committed, failed, throttled]
  expect(await after(...order, ...events)).toMatchObject({
    [`records_consumed_total${of}`]: 10,
    'consumed_bytes_total{topology="card-fraud",topic="payments"}': 1_500,
    'records_processed_total{topology="card-fraud",step="features",outcome="ok"}': 5,
    'records_processed_total{topology="card-fraud",step="features",outcome="filtered"}': 2,
    'records_processed_total{topology="card-fraud",step="features",outcome="duplicate"}': 3,
    'records_processed_total{topology="card-fraud",step="features",outcome="late"}': 2,
    'records_processed_total{topology="card-fraud",step="features",outcome="dead_letter"}': 1,
    [`consumer_lag_records${of}`]: 40,
    [`watermark_timestamp_seconds${of}`]: 1_731_700_000.5,
    'partitions_assigned{topology="card-fraud",topic="payments"}': 1,
    'stage_duration_seconds_sum{topology="card-fraud",stage="windows"}': 0.003,
    'stage_duration_seconds_sum{topology="",stage="fetch"}': 0.08,
    'stage_duration_seconds_sum{topology="",stage="commit"}': 0.012,
    'stage_duration_seconds_bucket{le="0.002048",topology="card-fraud",stage="windows"}': 0,
    'stage_duration_seconds_bucket{le="0.004096",topology="card-fraud",stage="windows"}': 1,
    'stage_duration_seconds_bucket{le="+Inf",topology="card-fraud",stage="windows"}': 1,
    'stage_recent_seconds{topology="card-fraud",stage="score",statistic="mean"}': expect.closeTo(
      0.002,
      4,
    ),
    'stage_recent_seconds{topology="",stage="commit",statistic="max"}': expect.closeTo(0.012, 4),
    'inferences_total{topology="card-fraud",model="card-gbdt",version="1"}': 5,
    'inference_duration_seconds_sum{topology="card-fraud",model="card-gbdt",version="1"}': 0.002,
    [`scores_total{${scoredBy},outcome="scored"}`]: 4,
    [`scores_total{${scoredBy},outcome="score-failed"}`]: 1,
    'score_bucket{le="0.01",topology="card-fraud",model="card-gbdt",version="1"}': 0,
    'score_bucket{le="0.2",topology="card-fraud",model="card-gbdt",version="1"}': 2,
    'score_bucket{le="0.99",topology="card-fraud",model="card-gbdt",version="1"}': 3,
    'score_count{topology="card-fraud",model="card-gbdt",version="1"}': 4,
    'inference_batch_records_bucket{le="4",topology="card-fraud",model="card-gbdt"}': 0,
    'inference_batch_records_bucket{le="8",topology="card-fraud",model="card-gbdt"}': 1,
    'late_records_total{topology="card-fraud",step="features",action="dead-letter"}': 2,
    'dead_letters_total{topology="card-fraud",topic="payments.dlq",step="decode",error_class="JSON_INVALID"}': 1,
    'records_produced_total{topic="predictions"}': 5,
    'produced_bytes_total{topic="payments.dlq"}': 90,
    throttled_seconds_total: 4.2,
    'commits_total{outcome="ok"}': 1,
    'commits_total{outcome="failed"}': 1,
    'end_to_end_latency_seconds_count{sink="predictions"}': 2,
    'end_to_end_latency_seconds_bucket{le="0.1",sink="predictions"}': 1,
    'end_to_end_latency_seconds_bucket{le="0.0025",sink="payments.dlq"}': 0,
    'end_to_end_latency_seconds_bucket{le="0.005",sink="payments.dlq"}': 1,
    [`build_info{version="0.1.0",node="${process.versions.node}"}`]: 1,
    'model_info{model="card-gbdt",version="1",sha256="abc",evaluator="trees",provider=""}': 1,
  })
})

test('what a stage took is forgotten by the recent times within two minutes, and kept by the histogram', async () => {
  let nowMs = 1_000_000
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
  const { metrics, observe } = observedMetrics([watched])
  const commit = 'topology="",stage="commit"'
  const told = async (name: string) => {
    const line = (await metrics.text()).split('\n').find((l) => l.startsWith(`tidemark_${name}`))
    return Number(line?.split(' ').at(-1))
  }
  observe(committed)
  nowMs += 60_000
  expect(await told(`stage_recent_seconds{${commit},statistic="max"}`)).toBeCloseTo(0.012, 4)
  nowMs += 60_000
  expect(await told(`stage_recent_seconds{${commit},statistic="max"}`)).toBeNaN()
  expect(await told(`stage_duration_seconds_count{${commit}}`)).toBe(1)
  clock.mockRestore()
})

test('late predictions are counted by their limit and the stage that took longest', async () => {
  const slow = { ...processed, durationMs: 300, stages: { ...processed.stages, score: 250 } }
  const late = (limit: string, stage: string) =>
    `late_predictions_total{topology="card-fraud",step="card-gbdt",limit="${limit}",stage="${stage}"}`
  expect(await after(slow, committed)).toMatchObject({
    [late('maximum', 'score')]: slow.outcomes.scored,
    [late('target', 'score')]: 0,
    [late('maximum', 'queue')]: 0,
  })
})

test('what is known beforehand is told as 0, what nobody knows yet is not told', async () => {
  const before = await after()
  const model = 'topology="card-fraud",model="card-gbdt",version="1"'
  expect(before).toMatchObject({
    'consumed_bytes_total{topology="card-fraud",topic="payments"}': 0,
    'records_processed_total{topology="card-fraud",step="features",outcome="dead_letter"}': 0,
    'late_records_total{topology="card-fraud",step="features",action="dead-letter"}': 0,
    'windows_closed_total{topology="card-fraud",step="minutes"}': 0,
    'dead_letters_total{topology="card-fraud",topic="payments.dlq",step="decode",error_class="JSON_INVALID"}': 0,
    [`inferences_total{${model}}`]: 0,
    [`inference_duration_seconds_count{${model}}`]: 0,
    'restored_records_total{topology="card-fraud",topic="payments"}': 0,
    'records_produced_total{topic="predictions"}': 0,
    'produced_bytes_total{topic="payments.dlq"}': 0,
    'commits_total{outcome="failed"}': 0,
    throttled_seconds_total: 0,
    log_lines_dropped_total: 0,
    'end_to_end_latency_seconds_count{sink="payments.dlq"}': 0,
    'end_to_end_latency_seconds_bucket{le="0.001",sink="predictions"}': 0,
    'partitions_assigned{topology="card-fraud",topic="payments"}': 0,
  })
  expect(before).not.toHaveProperty([`records_consumed_total${of}`])
  expect((await after(assigned))[`records_consumed_total${of}`]).toBe(0)
})

test('no event makes a series that was not there before, but those of a partition', async () => {
  const before = new Set(Object.keys(await after()))
  const fresh = Object.keys(await after(...Object.values(samples))).filter((s) => !before.has(s))
  expect(fresh.filter((series) => !series.includes('partition='))).toEqual([])
})

test('lag grows with what is read and falls with what is processed', async () => {
  const lagAfter = async (...events: RuntimeEvent[]) =>
    (await after(...events))[`consumer_lag_records${of}`]
  expect(await lagAfter(assigned)).toBeUndefined()
  expect(await lagAfter(assigned, consumed)).toBe(50)
  expect(await lagAfter(assigned, consumed, { ...processed, nextOffset: 150 })).toBe(0)
})

test('the lag of a partition that cannot be read stays as it was last known', async () => {
  const lag = `consumer_lag_records${of}`
  const away = await after(assigned, consumed, samples.trouble)
  expect(away).toMatchObject({ [lag]: 50, 'trouble{kind="unreadable"}': 1 })
})

test('a watermark before the first event is not told', async () => {
  const silent = { ...processed, watermarkMs: Number.NEGATIVE_INFINITY }
  expect(await after(assigned, silent)).not.toHaveProperty([`watermark_timestamp_seconds${of}`])
})

test('what was read again, and windows that closed, are counted', async () => {
  const { restoring, restored } = samples
  const closed = { ...processed, closed: new Map([['minutes', 3]]) }
  const left = `restore_left_records${of}`
  expect((await after(restoring))[left]).toBe(restoring.toOffset - restoring.nextOffset)
  const values = await after(restoring, restored, closed, closed)
  expect(values).not.toHaveProperty([left])
  expect(values).toMatchObject({
    'restored_records_total{topology="card-fraud",topic="payments"}': restored.records,
    'restore_duration_seconds_count{topology="card-fraud"}': 1,
    'windows_closed_total{topology="card-fraud",step="minutes"}': 6,
  })
})

test('restored windows have their size and watermark before the first live record', async () => {
  const { restoring, restored } = samples
  const values = await after(assigned, restoring, restored)
  expect(values).toMatchObject({
    [`state_keys${of}`]: restored.keys,
    [`state_bytes${of}`]: restored.bytes,
    [`watermark_timestamp_seconds${of}`]: restored.watermarkMs / 1_000,
  })
})

test('a lost partition leaves no lag, watermark or state behind, whatever is still heard of it', async () => {
  const values = await after(assigned, consumed, processed, lost, consumed, processed, lost)
  expect(values).not.toHaveProperty([`consumer_lag_records${of}`])
  for (const name of ['watermark_timestamp_seconds', 'state_keys', 'state_bytes']) {
    expect(await after(assigned, processed)).toHaveProperty([`${name}${of}`])
    expect(values).not.toHaveProperty([`${name}${of}`])
  }
  expect(values['partitions_assigned{topology="card-fraud",topic="payments"}']).toBe(0)
})

test('a partition assigned again is counted once', async () => {
  const other = { ...assigned, partition: { ...partition, partition: 4 } }
  const values = await after(assigned, assigned, other)
  expect(values['partitions_assigned{topology="card-fraud",topic="payments"}']).toBe(2)
})

test('the process is measured too', async () => {
  const text = await observedMetrics([]).metrics.text()
  expect(text).toContain('process_resident_memory_bytes')
  expect(text).toContain('nodejs_eventloop_lag_p99_seconds')
})
