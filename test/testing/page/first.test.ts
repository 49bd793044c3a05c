import { TopologyDriver } from 'tidemark/testing'
import { expect, test } from 'vitest'
import 'tidemark/testing/vitest'
import topology from './topology.ts'

test('a payment gets a probability', async () => {
  const driver = await TopologyDriver.start(topology)
  await driver.pipe({
    ...{ paymentId: 'p-1', cardId: 'card-1', merchantId: 'm-1', category: 'food', country: 'DE' },
    ...{ amount: 12.5, paidAt: Date.UTC(2026, 0, 1, 12) },
  })
  expect(driver).toHaveOutput('predictions', { paymentId: 'p-1', model: 'card-gbdt@2' })
  await driver.stop()
})
