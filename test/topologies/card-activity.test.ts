import { beforeAll, expect, test } from 'vitest'
import { TopologyDriver } from '../../src/testing/index.ts'
import cardActivity from '../../topologies/card-activity.ts'
import {
  DAY,
  expectAllCounted,
  featuresOf,
  paymentLine,
  RECORD_TIME_MS,
} from './minutes-by-hand.ts'
import { byId, type Run, runOnce, toldIn, toldWith } from './restarting-activity.ts'

let ofDay: Run
beforeAll(async () => {
  ofDay = await runOnce(DAY)
})

test('each minute of a card of 28 hours is scored once, on features that a look through all minutes gives', () => {
  const { outputs, outcomes, minutes } = ofDay
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
  expectAllCounted(DAY, minutes, outcomes)
})

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

test('stopped and started again 4 times, it tells what one run tells, each minute once', async () => {
  expect(await toldWith(4)).toEqual(toldIn(ofDay))
})
