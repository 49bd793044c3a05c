import { defineTopology, millis, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { cardGbdt, cardMlp } from '../golden/card-models.ts'
import { answerOf, cardStream } from '../golden/card-stream.ts'
import { startDriver } from '../support/driver.ts'
import { payment } from '../topologies/payment.ts'

/** The small network is the more accurate one; no machine meets the budget. */
const cards = (adapt: boolean) =>
  defineTopology('cards', (t) =>
    cardStream(t)
      .score({ variants: [cardGbdt, cardMlp], budget: millis(0.000_1), adapt })
      .map(answerOf)
      .sink('predictions'),
  )

test('the testing driver scores with the most accurate variant, however slow it is', async () => {
  const driver = await startDriver(cards(false))
  await driver.pipe(payment(seconds(0)))
  expect(driver.take('predictions')[0]?.value).toMatchObject({
    model: 'card-mlp@1',
    route: 'card-mlp',
  })
  await driver.crash()
  await driver.restart()
  await driver.pipe(payment(seconds(1)))
  expect(driver.take('predictions')[0]?.value.model).toBe('card-mlp@1')
})

test('a test chooses another variant', async () => {
  const driver = await startDriver(cards(false), { variants: { score: 'card-gbdt' } })
  await driver.pipe(payment(seconds(0)))
  const [output] = driver.outputs('predictions')
  expect(output?.value).toMatchObject({ model: 'card-gbdt@1', route: 'card-gbdt' })
  expect(output?.headers['tidemark-by-clock']).toBeUndefined()
})

test('a function in place of a variant scores when that is chosen', async () => {
  const models = { 'card-mlp': () => ({ probability: 0.25 }) }
  const driver = await startDriver(cards(false), { models })
  await driver.pipe(payment(seconds(0)))
  expect(driver.outputs('predictions')[0]?.value).toMatchObject({
    probability: 0.25,
    model: 'card-mlp@1',
  })
})

test('what is chosen for each batch is marked', async () => {
  const driver = await startDriver(cards(true))
  await driver.pipe(payment(seconds(0)))
  const [output] = driver.outputs('predictions')
  expect(output?.value).toMatchObject({ model: 'card-mlp@1', route: 'variant:card-mlp' })
  expect(output?.headers['tidemark-by-clock']).toBe('true')
})
