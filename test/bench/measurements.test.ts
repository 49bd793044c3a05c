import { expect, test } from 'vitest'
import { measurements, STAGES } from './measurements.ts'

const EVENTS = 1_000
const all = measurements(EVENTS)

/** The part of each program's output that rows are made from. */
const TOLD = {
  cpuMicrosPerRecord: { decode: 0.11, encode: 0.19, copy: 0.3 },
  eventsPerSecond: 68_133,
  peakRssMb: 484,
  latencyMs: { p50: 29, p99: 91.5 },
  nextOutputMs: [2_810, 'not measured', 2_100, 2_330],
}
const PER_EVENT = { decode: 2.13, engine: 2.41, score: 2.15, outputs: 2.2 }

/** For W1 on Kafka the sum, without Kafka one figure a stage. */
function toldBy({ stages }: { stages: readonly string[] }): unknown {
  return { ...TOLD, cpuMicrosPerEvent: stages.includes('w1') ? 17.7 : PER_EVENT }
}

const rows = all.flatMap((one) => one.rowsOf(toldBy(one)))

test('every stage is measured, and no two rows are the same', () => {
  expect(new Set(rows.map(({ stage }) => stage))).toEqual(new Set(STAGES))
  const names = rows.map(({ stage, what, unit }) => `${stage} ${what} ${unit}`)
  expect(new Set(names).size).toBe(names.length)
})

test('a measurement names the stages of its rows', () => {
  for (const one of all) {
    const stages = one.rowsOf(toldBy(one)).map(({ stage }) => stage)
    expect(new Set(stages)).toEqual(new Set(one.stages))
  }
})

test('W1 runs with both models and both guarantees, and with each format of values', () => {
  const of = rows.filter(({ unit }) => unit === 'events/s').map(({ what }) => what)
  expect(of.toSorted()).toEqual([
    'card-gbdt, at least once',
    'card-gbdt, exactly once',
    'card-gbdt, exactly once, avro',
    'card-gbdt, exactly once, protobuf',
    'card-mlp, at least once',
    'card-mlp, exactly once',
  ])
})

test('the codec figures of a record are in nanoseconds', () => {
  const figures = rows.filter(({ unit }) => unit === 'ns CPU/record').map(({ figure }) => figure)
  expect(figures).toEqual([110, 300, 190])
})

test('kills have a median and a maximum over those that were followed by an output', () => {
  const figures = rows.filter(({ stage }) => stage === 'kill').map(({ figure }) => figure)
  expect(figures).toEqual([2.33, 2.81])
})
