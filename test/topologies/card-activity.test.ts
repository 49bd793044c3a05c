import { beforeAll, expect, test } from 'vitest'
import { MemoryRecords } from '../../src/records/memory/memory-records.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { prepare } from '../../src/runtime/prepare.ts'
import { startWorker } from '../../src/runtime/worker.ts'
import { TopologyDriver } from '../../src/testing/index.ts'
import { outputTopics } from '../../src/topology/definition.ts'
import cardActivity from '../../topologies/card-activity.ts'
import { headerOf } from '../support/headers.ts'
import {
  DAY,
  expectAllCounted,
  featuresOf,
  type Line,
  paymentLine,
  RECORD_TIME_MS,
  SAMPLE,
} from './minutes-by-hand.ts'
import { PARTITIONS, runMinutes } from './run-minutes.ts'

const GRACE_MS = 10_000
const RESTARTS = 20

interface Told {
  readonly id: string | undefined
  readonly key: string | undefined
  readonly text: string
}

const runOnce = (lines: readonly Line[]) =>
  runMinutes(cardActivity, { sink: 'card-activity', graceMs: GRACE_MS }, lines)

/** A worker for each of the pieces, one after the other on the same records. */
async function runInPieces(lines: readonly Line[], pieces: number) {
  const records = new MemoryRecords({ chunkRecords: 40 })
  for (const topic of ['payments', ...outputTopics(cardActivity)]) {
    records.createTopic(topic, { partitions: PARTITIONS })
  }
  const prepared = await prepare([cardActivity], { models: new Map(), topics: new Map() })
  const seen: RuntimeEvent[] = []
  try {
    const step = Math.ceil(lines.length / pieces)
    for (let line = 0; line < lines.length; line += step) {
      records.produce(
        lines.slice(line, line + step).map(({ key, value, timestampMs }) => ({
          topic: 'payments',
          partition: null,
          key: Buffer.from(key),
          value: Buffer.from(value),
          timestampMs,
          headers: [],
        })),
      )
      const observer = (event: RuntimeEvent) => seen.push(event)
      const worker = startWorker({ prepared, records, group: 'pieces', observer })
      await Promise.race([records.settled('pieces', 'payments'), worker.done])
      await worker.stop()
    }
    const told = records.read('card-activity').map((record) => ({
      id: headerOf(record, 'tidemark-id'),
      key: record.key?.toString(),
      text: String(record.value),
    }))
    return { told, replayed: seen.filter((e) => e.type === 'restored').map((e) => e.records) }
  } finally {
    await records.close()
    await prepared.close()
  }
}

let ofSample: Awaited<ReturnType<typeof runOnce>>
let ofDay: typeof ofSample
beforeAll(async () => {
  ofSample = await runOnce(SAMPLE)
  ofDay = await runOnce(DAY)
})

test.each([
  ['the sample', SAMPLE, () => ofSample],
  ['28 hours', DAY, () => ofDay],
])(
  'each minute of a card of %s is scored once, on features that a look through all minutes gives',
  (_, lines, run) => {
    const { outputs, outcomes, minutes } = run()
    const told = outputs.map(({ key, value, headers }) => ({
      id: headers['tidemark-id'],
      key,
      cardId: value.cardId,
      minuteStart: value.minuteStart,
      model: value.model,
      features: value.features,
    }))
    const wanted = minutes.map((minute) => ({
      id: `payments/${minute.partition}/card-activity/${minute.card}/${minute.startMs}`,
      key: minute.card,
      cardId: minute.card,
      minuteStart: minute.startMs,
      model: 'pays-again@1',
      features: featuresOf(minute, minutes),
    }))
    expect(told.toSorted(byId)).toEqual(wanted.toSorted(byId))
    expect(outputs.filter(({ value: { probability: p } }) => !(p > 0 && p < 1))).toEqual([])
    expectAllCounted(lines, minutes, outcomes)
  },
)

test('a card that was active through the hour pays again more likely than one that was not', () => {
  const { outputs } = ofDay
  const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length
  const isActive = ({ value }: (typeof outputs)[number]) => value.features.minutesActive1h > 10
  const active = outputs.filter(isActive).map((o) => o.value.probability)
  const others = outputs.filter((o) => !isActive(o)).map((o) => o.value.probability)
  expect(active.length).toBeGreaterThan(100)
  expect(mean(active)).toBeGreaterThan(2 * mean(others))
})

test('a payment up to 40 s behind the newest one still enters its minute: lag and grace', async () => {
  const driver = await TopologyDriver.start(cardActivity)
  try {
    const pay = (cardId: string, second: number) =>
      paymentLine(cardId, RECORD_TIME_MS + 1_000 * second)
    await driver.pipeRecords([pay('a', 59), pay('b', 99), pay('a', 30)])
    expect(driver.outputs('card-activity')).toEqual([])
    await driver.pipeRecords([pay('b', 100), pay('a', 31)])
    const told = driver.outputs('card-activity').map(({ value }) => value)
    expect(told).toMatchObject([
      { cardId: 'a', minuteStart: RECORD_TIME_MS, features: { payments: 2 } },
    ])
    expect(driver.deadLetters()).toMatchObject([{ code: 'LATE', source: { offset: 4 } }])
  } finally {
    await driver.stop()
  }
})

test(`stopped and started again ${RESTARTS} times, it tells what one run tells, each minute once`, async () => {
  const whole: Told[] = ofDay.outputs.map(({ key, value, headers }) => ({
    id: headers['tidemark-id'],
    key: key ?? undefined,
    text: JSON.stringify(value),
  }))
  const { told, replayed } = await runInPieces(DAY, RESTARTS + 1)
  expect(told.toSorted(byId)).toEqual(whole.toSorted(byId))
  // Windows came back from the log, and not from all of it.
  expect(replayed.length).toBeGreaterThan(RESTARTS)
  expect(Math.max(...replayed)).toBeLessThan(DAY.length / PARTITIONS / 5)
})

function byId(a: { readonly id: string | undefined }, b: typeof a): number {
  return String(a.id) < String(b.id) ? -1 : 1
}
