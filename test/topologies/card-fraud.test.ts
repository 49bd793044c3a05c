import { hours, minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import 'tidemark/testing/vitest'
import cardFraud from '../../topologies/card-fraud.ts'
import { startDriver } from '../support/driver.ts'
import { NOON, payment } from './payment.ts'

/** Runs with a function in the model's place that keeps what it is given. */
async function startSeeing() {
  const seen: Readonly<Record<string, number>>[] = []
  const model = (features: Readonly<Record<string, number>>) => {
    seen.push(features)
    return { probability: 0.25 }
  }
  return { driver: await startDriver(cardFraud, { models: { 'card-gbdt': model } }), seen }
}

test('a prediction names its payment, card, time and model', async () => {
  const { driver } = await startSeeing()
  await driver.pipe(payment(minutes(1)))
  const [prediction] = driver.outputs('predictions')
  expect(prediction?.key).toBe('card-1')
  expect(prediction?.value).toEqual({
    ...{ paymentId: 'p-60', cardId: 'card-1', paidAt: NOON + minutes(1) },
    ...{ probability: 0.25, model: 'card-gbdt@2' },
  })
})

test('a card’s first payment has windows of itself alone', async () => {
  const { driver, seen } = await startSeeing()
  await driver.pipe(payment(minutes(0), { amount: 7 }))
  expect(seen).toEqual([
    {
      ...{ amount: 7, secondsSincePrevious: 86_400 },
      ...{ count5m: 1, sum5m: 7, mean5m: 7, categories5m: 1 },
      ...{ count1h: 1, sum1h: 7, max1h: 7, merchants1h: 1 },
      ...{ count24h: 1, sum24h: 7, std24h: 0 },
    },
  ])
})

test('each window holds what is not older than it, of this card only', async () => {
  const { driver, seen } = await startSeeing()
  await driver.pipe([
    payment(hours(-24), { amount: 1 }), // a day before the last: outside
    payment(hours(-23), { amount: 2, merchantId: 'm-2' }),
    payment(minutes(-59), { amount: 4, merchantId: 'm-3' }),
    payment(minutes(-4), { amount: 8, category: 'fuel' }),
    payment(minutes(-4), { amount: 99, cardId: 'card-2' }),
    payment(minutes(0), { amount: 16 }),
  ])
  expect(seen.at(-1)).toMatchObject({
    ...{ amount: 16, secondsSincePrevious: 240 },
    ...{ count5m: 2, sum5m: 24, mean5m: 12, categories5m: 2 },
    ...{ count1h: 3, sum1h: 28, max1h: 16, merchants1h: 2 },
    ...{ count24h: 4, sum24h: 30 },
  })
})

test('the model takes a burst of payments in many shops for riskier than the first of them', async () => {
  const driver = await startDriver(cardFraud)
  const burst = Array.from({ length: 12 }, (_, i) =>
    payment(seconds(10 * i), { amount: 30, category: `c-${i}`, merchantId: `m-${i}` }),
  )
  await driver.pipe(burst)
  const [first = 1, ...others] = driver.outputs('predictions').map((o) => o.value.probability)
  expect(Math.max(...others)).toBeGreaterThan(10 * first)
})

test('a payment more than 30 s behind the newest is set aside as late', async () => {
  const driver = await startDriver(cardFraud)
  await driver.pipe([payment(seconds(60)), payment(seconds(30)), payment(seconds(29))])
  expect(driver).toHaveOutcomes({ scored: 2, late: 1 })
  expect(driver).toHaveDeadLetter('LATE', { source: { partition: 0, offset: 2 } })
})

test('what is no payment is set aside', async () => {
  const driver = await startDriver(cardFraud)
  await driver.pipe([payment(minutes(0)), { ...payment(minutes(1)), amount: 'ten' }])
  expect(driver).toHaveOutcomes({ scored: 1, dead: 1 })
  expect(driver).toHaveDeadLetter('SCHEMA_INVALID', { key: 'card-1' })
})

test('after a crash a card is remembered', async () => {
  const { driver, seen } = await startSeeing()
  await driver.pipe(payment(minutes(0), { amount: 1 }))
  await driver.crash({ during: payment(minutes(1), { amount: 2 }) })
  await driver.restart()
  await driver.pipe(payment(minutes(2), { amount: 4 }))
  expect(seen.map((features) => features['sum1h'])).toEqual([1, 3, 3, 7])
})
