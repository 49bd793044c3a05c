import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import { watchedTopology } from '../../src/host/watched-topology.ts'
import { observeAll } from '../../src/observe/observer.ts'
import { outputTopics } from '../../src/topology/graph.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import cardMinutes from '../../topologies/card-minutes.ts'
import { observedMetrics } from '../observe/observed.ts'
import { badBetweenGood } from '../runtime/bad-input.ts'
import { preparedTopology, scored, scorer, Watch } from '../runtime/support.ts'
import { at, event, inTopic, reusing, row } from '../runtime/tables/reused.ts'
import { HASH } from '../support/hash.ts'
import { startWorker } from '../support/in-process.ts'
import { ROOT } from '../support/paths.ts'

/** Series of a worker, but for those of a partition. */
function seriesIn(text: string): Set<string> {
  const lines = text.split('\n').filter((line) => line.startsWith('tidemark_'))
  const names = lines.map((line) => line.slice(0, line.lastIndexOf(' ')))
  return new Set(names.filter((name) => !name.includes('partition="')))
}

test('every series that a worker makes of good and bad records was there before the first', async () => {
  const topologies = [cardFraud, cardMinutes].map((definition) => preparedTopology(definition))
  const { metrics, observe } = observedMetrics(topologies.map(watchedTopology))
  const before = seriesIn(await metrics.text())
  const records = new MemoryRecords()
  const topics = topologies.flatMap(({ definition }) => outputTopics(definition))
  for (const name of new Set(['payments', ...topics])) records.createTopic(name, { partitions: 1 })
  const sent = badBetweenGood(Date.UTC(2026, 0, 1))
  records.produce(sent.map((of) => ({ ...of, topic: 'payments', partition: 0 })))
  const watch = new Watch()
  const observer = observeAll(observe, watch.observer)
  const ready = { topologies, variants: [], notes: [], hash: HASH, close: async () => {} }
  const worker = startWorker({ prepared: ready, records, group: 'g', observer })
  await Promise.race([records.settled('g', 'payments'), worker.done])
  await worker.stop()
  await records.close()

  const after = seriesIn(await metrics.text())
  expect([...after].filter((series) => !before.has(series))).toEqual([])
  // It was not nothing that was told.
  expect(new Set(watch.of('dead-letter').map(({ code }) => code)).size).toBeGreaterThan(10)
  // Each has a task of its own: which is first is nobody's promise.
  const late = new Set(watch.of('late').map(({ topology }) => topology))
  expect(late).toEqual(new Set(['card-fraud', 'card-minutes']))
  expect(watch.of('inference')).not.toHaveLength(0)
})

test('reused scores are counted by their table and the route reuse, beside the rows of models', async () => {
  const definition = reusing(inTopic, null)
  const deep = { ...scorer(), name: 'deep', label: 'deep@3' }
  const lookup = () => ({ get: (key: string) => (key === 'k' ? row() : undefined) })
  // Its rows are given, and not read.
  const topology = { ...preparedTopology({ ...definition, tables: [] }, deep), lookup }
  const { metrics, observe } = observedMetrics([watchedTopology(topology)])
  const before = seriesIn(await metrics.text())
  const records = new MemoryRecords()
  for (const name of ['events', ...outputTopics(definition)]) {
    records.createTopic(name, { partitions: 1 })
  }
  records.produce(
    ['k', 'l', 'k'].map((id, i) => ({
      ...{ topic: 'events', partition: 0, key: Buffer.from(id), timestampMs: at(i), headers: [] },
      value: Buffer.from(JSON.stringify(event(i, { id }))),
    })),
  )
  const ready = {
    topologies: [topology],
    variants: [],
    notes: [],
    hash: HASH,
    close: async () => {},
  }
  const watch = new Watch()
  const observer = observeAll(observe, watch.observer)
  const worker = startWorker({ prepared: ready, records, group: 'g', observer })
  await Promise.race([records.settled('g', 'events'), worker.done])
  await worker.stop()
  await records.close()

  const text = await metrics.text()
  const counted = text.split('\n').filter((line) => /^tidemark_scores_total.* [1-9]/.test(line))
  expect(counted).toEqual([
    'tidemark_scores_total{topology="reusing",model="deep",version="3",route="live",outcome="scored"} 1',
    'tidemark_scores_total{topology="reusing",model="nightly",version="",route="reuse",outcome="scored"} 2',
  ])
  expect(watch.of('inference').map(({ rows }) => rows)).toEqual([1])
  expect([...seriesIn(text)].filter((series) => !before.has(series))).toEqual([])
})

test('every code that sets a record aside is known at some step', () => {
  const errors = readFileSync(join(ROOT, 'src/kernel/errors.ts'), 'utf8')
  const codes = [...errors.matchAll(/^ {2}([A-Z][A-Z0-9_]+): 'dead-letter',$/gm)].map(([, c]) => c)
  expect(codes.length).toBeGreaterThan(20)
  const { then } = scored
  const dedupe = { op: 'dedupe', name: 'dedupe', by: () => 'id', withinMs: 1, then } as const
  const topology = watchedTopology(preparedTopology({ ...scored, then: [dedupe] }))
  const known = topology.deadLetters.map(({ code }) => code)
  expect(new Set<string | undefined>(known)).toEqual(new Set(codes))
})

test('a model is told with the version of the file that runs, chosen by the operator or not', () => {
  const chosen = { ...scorer(), label: 'm@1+abababab' }
  const versions = [scorer(), chosen].map(
    (by) => watchedTopology(preparedTopology(scored, by)).models[0]?.version,
  )
  expect(versions).toEqual(['1', '1+abababab'])
})
