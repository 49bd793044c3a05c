import { defineTopology, onnxModel, seconds } from 'tidemark'
import { MemoryRecords } from '../../../../src/connect/memory/memory-records.ts'
import type { LogRecord } from '../../../../src/connect/port.ts'
import type { Scorer } from '../../../../src/scoring/scorer.ts'
import type { Definition, ScoreStep } from '../../../../src/topology/definition.ts'
import { stepsOf } from '../../../../src/topology/graph.ts'
import { modelDefinition } from '../../../../src/topology/models.ts'
import type { Shadow } from '../../../../src/topology/score-options.ts'
import { HASH } from '../../../support/hash.ts'
import {
  startWorker,
  type TestWorkerOptions as WorkerOptions,
} from '../../../support/in-process.ts'
import { model, preparedTopology, START_MS, scorer, source, Watch } from '../../support.ts'

// Workers on records in memory with a model that is watched only.

export const GROUP = 'shadowed'

/** Takes what the main model takes. */
const other = onnxModel({
  ...modelDefinition(model),
  ...{ name: 'o', version: '2', features: model.features, outputs: model.outputs },
})

/** `events` → amount, sum of 10 s → model `m`, with `o` as its shadow → `scores`. */
export function shadowed(shadow: Shadow | null = { sink: 'shadow-scores' }): Definition {
  return defineTopology('scored', (t) =>
    t
      .source('events', source)
      .features((f) => {
        const events = f.events({ amount: (e) => e.amount })
        return { amount: events.value('amount'), sum: events.rolling(seconds(10)).sum('amount') }
      })
      .score(
        {
          models: { main: model, other },
          otherwise: 'main',
          ...(shadow && { shadow: { other: shadow } }),
        },
        { missing: 'nan' },
      )
      .map((s) => ({ amount: s.event.amount, sum: s.features.sum, p: s.score.p, by: s.model }))
      .sink('scores'),
  )
}

/** The score step of a topology that has one. */
export function scoreStepOf({ then }: Definition): ScoreStep {
  for (const step of stepsOf(then)) if (step.op === 'score') return step
  throw new Error('it scores nothing')
}

/** An event: its key, and its amount. */
export type Sent = readonly [key: string, amount: number]

/** Topics with some events, each a ms after the one before. */
export function logOf(events: readonly Sent[], chunkRecords = 5): MemoryRecords {
  const records = new MemoryRecords({ chunkRecords })
  for (const topic of ['events', 'scores', 'shadow-scores', 'events.dlq']) {
    records.createTopic(topic, { partitions: 1 })
  }
  send(records, events)
  return records
}

export function send(records: MemoryRecords, events: readonly Sent[]): void {
  const from = records.endOffsets('events')[0] ?? 0
  records.produce(
    events.map(([key, amount], i) => ({
      topic: 'events',
      partition: 0,
      key: Buffer.from(key),
      value: Buffer.from(JSON.stringify({ key, at: START_MS + from + i, amount })),
      timestampMs: START_MS + from + i,
      headers: [],
    })),
  )
}

/** A worker whose shadow is scored by this. @param shadow `null`: it has none */
export function startShadowed(
  records: MemoryRecords,
  shadow: Scorer | null,
  { definition = shadowed(), ...o }: Partial<WorkerOptions> & { definition?: Definition } = {},
) {
  const watch = new Watch()
  const step = scoreStepOf(definition)
  const shadows =
    shadow === null ? [] : step.shadows.map((of, number) => ({ step, number, of, scorer: shadow }))
  const topologies = [{ ...preparedTopology(definition, scorer()), shadows }]
  const prepared = { topologies, variants: [], notes: [], hash: HASH, close: async () => {} }
  const worker = startWorker({
    ...{ prepared, records, group: GROUP, commitIntervalMs: 1 },
    ...{ observer: watch.observer, ...o },
  })
  return { worker, watch }
}

/** A scorer of shadows, by the amounts of a batch. */
export function shadowScorer(...[answer]: Parameters<typeof scorer>): Scorer {
  return { ...scorer(answer), name: 'o', label: 'o@2', sha256: 'cd'.repeat(32) }
}

/** The values of JSON records. */
export function valuesIn(records: readonly LogRecord[]): unknown[] {
  return records.map(({ value }) => JSON.parse(String(value)))
}

/** Counts the rows of the shadow by outcome. */
export function rowsOf(watch: Watch) {
  const sum = { scored: 0, failed: 0, dropped: 0 }
  for (const { scored, failed, dropped } of watch.of('shadow-rows')) {
    sum.scored += scored
    sum.failed += failed
    sum.dropped += dropped
  }
  return sum
}
