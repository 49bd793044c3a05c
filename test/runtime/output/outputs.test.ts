import { expect, test } from 'vitest'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import { NO_EVENTS, NONE_DEGRADED, type ReadyBatch } from '../../../src/engine/events.ts'
import { PassedHeaders } from '../../../src/runtime/output/headers.ts'
import { Produced } from '../../../src/runtime/output/outputs.ts'
import { limitsOf } from '../../../src/runtime/output/topic-limits.ts'
import { modelDefinition } from '../../../src/topology/models.ts'
import { atModel } from '../../engine/at-model.ts'
import { modelStep, stepAnswer } from '../../support/score-steps.ts'
import { model, record } from '../support.ts'

const PLACE = {
  source: { topic: 'events', partition: 3 },
  nextOffset: 0,
  present: { earliestMs: 0, latestMs: 0 },
  headers: [],
  passed: new PassedHeaders(),
  topicLimits: () => limitsOf(undefined),
  formats: new Map(),
}

/** The values that a map behind a model is given for two events. */
function scoredEvents(): unknown[] {
  const given: unknown[] = []
  const map = { op: 'map', name: 'map', to: (s: unknown) => given.push(s), then: [] } as const
  const step = modelStep(modelDefinition(model), { then: [map] })
  const events = ['first', 'elsewhere', 'second']
  const rows = Float32Array.of(1, 2.5, 3, 4)
  const ready = atModel(step, { indices: [0, 2], events, rows })
  const scores = stepAnswer([Float64Array.of(0.25, 0.5)])
  const records = new ListedRecords([record(7), record(8), record(9)])
  const [passed, from] = [ready.pass(scores), { ...PLACE, records }]
  new Produced(ready, { passed, from, decided: null, headers: [[]] }).write()
  return given
}

test('each event goes on with its own features, score and model, as plain fields', () => {
  expect(scoredEvents()).toStrictEqual([
    {
      event: 'first',
      features: { amount: 1, sum: 2.5 },
      score: { p: 0.25 },
      model: 'm@1',
      route: 'm',
    },
    {
      event: 'second',
      features: { amount: 3, sum: 4 },
      score: { p: 0.5 },
      model: 'm@1',
      route: 'm',
    },
  ])
})

test("the features stand in the model's order", () => {
  const [first] = scoredEvents() as { features: object }[]
  expect(Object.keys(first?.features ?? {})).toEqual(model.features)
})

test('a header that a sink makes is written in place of one of the record that has its name', () => {
  const headers = () => ({ tenant: 'own' })
  const step = { op: 'sink', name: 'copies', topic: 'copies', key: null, headers } as const
  const given = ['tenant', 'region'].map((name) => ({ name, value: Buffer.from('given') }))
  const at = { indices: [0], events: [{}] }
  const sinks = [{ sink: { step, encoderOf: null }, ...at }]
  const pass = () => ({ sinks, columns: null, faultOf: () => null })
  const none = { windows: null, late: NO_EVENTS, degraded: NONE_DEGRADED }
  const ready: ReadyBatch = { step, ...at, ...none, timesMs: new Float64Array(1), pass }
  const records = new ListedRecords([record(7, { headers: given })])
  const passed = new PassedHeaders(['tenant', 'region'])
  const from = { ...PLACE, passed, records }
  const { outputs } = new Produced(ready, {
    passed: pass(),
    from,
    decided: null,
    headers: [[]],
  }).write()
  const written = outputs.records.at(0).headers.map(({ name, value }) => [name, String(value)])
  expect(written).toEqual([
    ['tidemark-id', 'events/3/7/copies'],
    ['region', 'given'],
    ['tenant', 'own'],
  ])
})
