import { readFileSync } from 'node:fs'
import { hours, millis, minutes, seconds } from 'tidemark'
import { deduplicate } from 'tidemark/testing'
import { expect, test } from 'vitest'
import 'tidemark/testing/vitest'
import { startDriver } from '../../support/driver.ts'
import { NOON, payment } from '../../topologies/payment.ts'
import spending from './spending.ts'
import topology from './topology.ts'

test('records that are no events, or from the future, are set aside; their neighbour is scored', async () => {
  const driver = await startDriver(topology)
  await driver.pipeRecords([
    { key: 'card-1', value: '{"paymentId":' },
    { value: { ...payment(minutes(0)), amount: 'ten' } },
    { value: payment(minutes(1)), timestampMs: NOON - hours(1) },
    { value: payment(minutes(2)), headers: { trace: 't-1' } },
  ])
  expect(driver).toHaveDeadLetter('JSON_INVALID', { step: 'decode' })
  expect(driver).toHaveDeadLetter('SCHEMA_INVALID', { source: { partition: 0, offset: 1 } })
  expect(driver).toHaveDeadLetter('FUTURE', { key: 'card-1' })
  expect(driver).toHaveOutcomes({ scored: 1, dead: 3 })
})

test('take gives what is new', async () => {
  const driver = await startDriver(topology)
  await driver.pipe([payment(minutes(0)), payment(minutes(1))])
  expect(driver.take('predictions')).toHaveLength(2)
  await driver.pipe(payment(minutes(2)))
  const [prediction, ...others] = driver.take('predictions')
  expect(prediction?.value.paidAt).toBe(NOON + minutes(2))
  expect(others).toEqual([])
  expect(driver.outputs('predictions')).toHaveLength(3)
})

test('a payment behind the watermark is set aside as late', async () => {
  const driver = await startDriver(topology)
  await driver.pipe(payment(minutes(10)))
  expect(driver.watermarkMs()).toBe(NOON + minutes(10) - seconds(30)) // the lag
  await driver.pipe([
    payment(seconds(9.5 * 60)), // exactly at the watermark: on time
    payment(seconds(9.5 * 60 - 1), { paymentId: 'p-late' }),
  ])
  expect(driver).toHaveOutcomes({ scored: 2, late: 1 })
  expect(driver).toHaveDeadLetter('LATE')
  expect(driver).not.toHaveOutput('predictions', { paymentId: 'p-late' })
})

test('the model sees what the card has spent within an hour', async () => {
  const seen: unknown[] = []
  const model = (features: object) => {
    seen.push(features)
    return { probability: 0.5 }
  }
  const driver = await startDriver(topology, { models: { 'card-gbdt': model } })
  await driver.pipe([
    payment(minutes(0), { amount: 10 }),
    payment(minutes(59), { amount: 20 }),
    payment(minutes(60), { amount: 5 }), // the hour is (t − 1 h, t]: noon is outside
  ])
  expect(seen).toMatchObject([{ sum1h: 10 }, { sum1h: 30 }, { sum1h: 25 }])
  expect(driver).toHaveOutput('predictions', { paymentId: 'p-0', probability: 0.5 })
})

test('a minute is told once, when the watermark has passed its end', async () => {
  const driver = await startDriver(spending)
  await driver.pipe([
    payment(seconds(10), { amount: 5 }),
    payment(seconds(50), { amount: 7 }),
    payment(seconds(89)),
  ])
  expect(driver.take('spending')).toEqual([])
  await driver.pipe(payment(seconds(90))) // the watermark is at 12:01:00
  const [minute] = driver.take('spending')
  expect(minute?.value).toEqual({
    ...{ key: 'card-1', windowStartMs: NOON, windowEndMs: NOON + minutes(1) },
    ...{ payments: 2, spent: 12 },
  })
  await driver.closeWindows()
  expect(driver.take('spending').map((o) => o.value.payments)).toEqual([2])
  expect(driver).toHaveOutcomes({ windowed: 4 })
})

test('a silent card is told of as well', async () => {
  const driver = await startDriver(spending)
  await driver.pipe(payment(seconds(10))) // the watermark is at 11:59:40
  await driver.advance(millis(79_999))
  expect(driver).not.toHaveOutput('spending')
  await driver.advance(millis(1))
  expect(driver).toHaveOutput('spending', { payments: 1, windowEndMs: NOON + minutes(1) })
})

test('windows are whole after a crash', async () => {
  const driver = await startDriver(spending)
  await driver.pipe([payment(seconds(10)), payment(seconds(50))])
  await driver.crash()
  await driver.restart()
  await driver.pipe(payment(seconds(90)))
  expect(driver).toHaveOutput('spending', { windowStartMs: NOON, payments: 2 })
})

test('what a crash has cut off is there once', async () => {
  const driver = await startDriver(topology)
  await driver.crash({ during: payment(minutes(0)) })
  expect(driver).not.toHaveOutput('predictions')
  await driver.restart()
  expect(driver.outputs('predictions')).toHaveLength(1)
  expect(driver).toHaveOutcomes({ scored: 1 })
})

test('what comes twice after a crash has the same id and says the same', async () => {
  const driver = await startDriver(topology, { guarantee: 'at-least-once' })
  await driver.crash({ during: payment(minutes(0)) })
  await driver.restart()
  const outputs = driver.outputs('predictions')
  expect(outputs).toHaveLength(2)
  expect(outputs[1]?.value).toEqual(outputs[0]?.value)
  expect(deduplicate(outputs)).toHaveLength(1)
  expect(driver).toHaveOutcomes({ scored: 1 })
})

test('every line of golden/ gets the answer that is kept beside it', async () => {
  const lines = (name: string) =>
    readFileSync(new URL(`golden/${name}`, import.meta.url), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  const driver = await startDriver(topology)
  await driver.pipe(lines('input.ndjson'))
  const answers = lines('expected.ndjson').map(({ probability, ...answer }) => ({
    ...answer,
    probability: expect.closeTo(probability, 5), // another CPU may round another way
  }))
  expect(driver.outputs('predictions').map((o) => o.value)).toEqual(answers)
})
