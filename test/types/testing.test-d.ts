import { TopologyDriver } from 'tidemark/testing'
import 'tidemark/testing/vitest'
import { expect, expectTypeOf, test } from 'vitest'
import cardFraud from '../../topologies/card-fraud.ts'

test('outputs and matchers are typed by topic', async () => {
  const driver = await TopologyDriver.start(cardFraud)
  const [output] = driver.take('predictions')
  expectTypeOf(output?.value.probability).toEqualTypeOf<number | undefined>()
  // @ts-expect-error no such topic
  driver.outputs('prediction')
  expect(driver).toHaveOutput('predictions', { cardId: 'c', probability: expect.any(Number) })
  // @ts-expect-error no such topic
  expect(driver).toHaveOutput('prediction')
  // @ts-expect-error no such field
  expect(driver).toHaveOutput('predictions', { card: 'c' })
  // @ts-expect-error a number
  expect(driver).toHaveOutput('predictions', { probability: '0.5' })
  // @ts-expect-error no such code
  expect(driver).toHaveDeadLetter('TOO_LATE')
  // @ts-expect-error no such outcome
  expect(driver).toHaveOutcomes({ lost: 1 })
  // @ts-expect-error write minutes(2)
  await driver.advance(120_000)
  // @ts-expect-error it has no amount
  await driver.pipe({ paymentId: 'p', cardId: 'c' })
  // @ts-expect-error an event is an object
  await driver.pipe('{}')
})
