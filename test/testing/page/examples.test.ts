import { readFileSync } from 'node:fs'
import { hours, millis, minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import 'tidemark/testing/vitest'
import { startDriver } from '../../support/driver.ts'
import { NOON, payment } from '../../topologies/payment.ts'
import spending from './spending.ts'
import topology from './topology.ts'

test('a record that is not an event, or is from the future, becomes a dead letter', async () => {
  const driver = await startDriver(topology)
  await driver.pipeRecords([
    { key: 'card-1', value: '{"paymentId":' },
    { value: payment(minutes(1)), timestampMs: NOON - hours(1) },
    { value: payment(minutes(2)) },
  ])
  expect(driver).toHaveDeadLetter('JSON_INVALID')
  expect(driver).toHaveDeadLetter('FUTURE', { source: { offset: 1 } })
  expect(driver).toHaveOutcomes({ scored: 1, dead: 2 })
})

test('a payment behind the watermark is late', async () => {
  const driver = await startDriver(topology)
  await driver.pipe(payment(minutes(10)))
  expect(driver.watermarkMs()).toBe(NOON + minutes(10) - seconds(30)) // the lag
  await driver.pipe([payment(millis(570_000)), payment(millis(569_999))]) // at and behind it
  expect(driver).toHaveOutcomes({ scored: 2, late: 1 })
  expect(driver).toHaveDeadLetter('LATE')
})

test('the model sees what the card has spent within an hour', async () => {
  const seen: unknown[] = []
  const model = (features: object) => {
    seen.push(features)
    return { probability: 0.5 }
  }
  const driver = await startDriver(topology, { models: { 'card-gbdt': model } })
  await driver.pipe([payment(minutes(0)), payment(minutes(59)), payment(minutes(60))])
  expect(seen).toMatchObject([{ sum1h: 10 }, { sum1h: 20 }, { sum1h: 20 }]) // (t − 1 h, t]
  expect(driver).toHaveOutput('predictions', { paymentId: 'p-0', probability: 0.5 })
})

test('the result of a minute is written when the watermark has passed its end', async () => {
  const driver = await startDriver(spending)
  await driver.pipe([payment(seconds(10)), payment(seconds(50)), payment(seconds(89))])
  expect(driver).not.toHaveOutput('spending')
  await driver.pipe(payment(seconds(90))) // the watermark is at 12:01:00
  expect(driver).toHaveOutput('spending', { windowStartMs: NOON, payments: 2, spent: 20 })
  await driver.closeWindows()
  expect(driver.outputs('spending')).toHaveLength(2)
})

test('a window closes while its partition is silent', async () => {
  const driver = await startDriver(spending)
  await driver.pipe(payment(seconds(10))) // the watermark is at 11:59:40
  await driver.advance(seconds(80))
  expect(driver).toHaveOutput('spending', { payments: 1 })
})

test('windows are complete after a crash', async () => {
  const driver = await startDriver(spending)
  await driver.pipe(payment(seconds(10)))
  await driver.crash({ during: payment(seconds(50)) })
  await driver.restart()
  await driver.pipe(payment(seconds(90)))
  expect(driver).toHaveOutput('spending', { windowStartMs: NOON, payments: 2 })
})

test('every event of golden/ has its expected output', async () => {
  const lines = (name: string) =>
    readFileSync(new URL(`golden/${name}`, import.meta.url), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  const driver = await startDriver(topology)
  await driver.pipe(lines('input.ndjson'))
  const expected = lines('expected.ndjson').map(({ probability, ...others }) => ({
    ...others,
    probability: expect.closeTo(probability, 5), // CPUs round differently
  }))
  expect(driver.outputs('predictions').map((o) => o.value)).toEqual(expected)
})
