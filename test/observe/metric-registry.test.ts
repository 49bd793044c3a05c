import { deserialize, serialize } from 'node:v8'
import { expect, test } from 'vitest'
import { type MetricData, textOfAll } from '../../src/observe/metric-registry.ts'
import { createWorkersMetrics } from '../../src/observe/metrics.ts'
import { samples, watched } from './events.ts'
import { observedMetrics } from './observed.ts'

/** The metrics of a worker after these events, as they come from another process. */
async function dataOf(...events: readonly (typeof samples)[keyof typeof samples][]) {
  const { metrics, observe } = observedMetrics([watched])
  for (const event of events) observe(event)
  return deserialize(serialize(await metrics.data())) as MetricData
}

const linesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(name))

test('each series has the worker that it is of; nothing is added up', async () => {
  const text = await textOfAll([
    { worker: 1, metrics: await dataOf(samples.committed) },
    { worker: 2, metrics: await dataOf(samples.committed, samples.committed) },
  ])
  expect(linesOf(text, 'tidemark_commits_total')).toEqual([
    'tidemark_commits_total{worker="1",outcome="ok"} 1',
    'tidemark_commits_total{worker="1",outcome="failed"} 0',
    'tidemark_commits_total{worker="2",outcome="ok"} 2',
    'tidemark_commits_total{worker="2",outcome="failed"} 0',
  ])
  const commits = linesOf(text, 'tidemark_stage_duration_seconds_count').filter((line) =>
    line.includes('stage="commit"'),
  )
  expect(commits).toEqual([
    'tidemark_stage_duration_seconds_count{worker="1",topology="",stage="commit"} 1',
    'tidemark_stage_duration_seconds_count{worker="2",topology="",stage="commit"} 2',
  ])
  expect(linesOf(text, 'tidemark_build_info')).toHaveLength(2)
})

test('each metric is described once, whoever has it', async () => {
  const metrics = await dataOf()
  const text = await textOfAll([
    { worker: 1, metrics },
    { worker: 2, metrics },
  ])
  const names = linesOf(text, '# TYPE').map((line) => line.split(' ')[2])
  expect(new Set(names).size).toBe(names.length)
  expect(names.length).toBe(metrics.length)
})

test('a worker alone tells the same, with its number', async () => {
  const { metrics, observe } = observedMetrics([watched])
  observe(samples.committed)
  const own = (text: string) => linesOf(text, 'tidemark_').toSorted()
  const text = await textOfAll([{ worker: 7, metrics: await metrics.data() }])
  const withoutNumber = text.replaceAll('worker="7",', '').replaceAll('{worker="7"}', '')
  expect(own(withoutNumber)).toEqual(own(await metrics.text()))
})

test('the parent tells how often each worker was started again, which does not answer, and what it lost of its log', async () => {
  const workers = [
    { restarts: 0, trouble: null },
    { restarts: 1, trouble: 'silent' },
  ] as const
  const metrics = createWorkersMetrics({ workers, droppedLines: () => 3 })
  const ofParent = { worker: null, metrics: await metrics.data() }
  expect(linesOf(await textOfAll([ofParent]), 'tidemark_')).toEqual([
    'tidemark_log_lines_dropped_total 3',
    'tidemark_worker_restarts_total{worker="1"} 0',
    'tidemark_worker_restarts_total{worker="2"} 1',
    'tidemark_trouble{worker="1",kind="restarting"} 0',
    'tidemark_trouble{worker="1",kind="silent"} 0',
    'tidemark_trouble{worker="2",kind="restarting"} 0',
    'tidemark_trouble{worker="2",kind="silent"} 1',
  ])
  const own = await observedMetrics([watched]).metrics.data()
  const text = await textOfAll([ofParent, { worker: 2, metrics: own }])
  expect(linesOf(text, 'tidemark_trouble{worker="2",kind="silent"}')).toEqual([
    'tidemark_trouble{worker="2",kind="silent"} 1',
  ])
})
