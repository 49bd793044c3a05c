import { expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import type { Producer } from '../../src/connect/kafka/produce/producer.ts'
import { Transactions } from '../../src/connect/kafka/produce/transactions.ts'
import { WrittenRecords } from '../../src/connect/written-records.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { HandClock } from '../support/clocks.ts'
import { thrownBy } from '../support/thrown.ts'

test('a generation that passes while a transaction is begun leaves nothing under way', async () => {
  const identity = { id: 7, epoch: 1 }
  const sent: string[] = []
  const producer = {
    identity,
    useIdentity: () => {},
    encode: async () => [],
    needsMs: () => 0,
    ready: async () => {},
    send: async () => void sent.push('sent'),
  } as unknown as Producer
  const brokers = { clock: new HandClock(0), askCoordinator: async () => ({ code: 0 }) }
  const transactions = new Transactions(brokers as unknown as Brokers, producer, 'id')
  let asked = 0
  const member = () => {
    if (++asked > 2) throw new TidemarkError('REBALANCING', 'it has passed')
    return { group: 'g', generationId: 1, memberId: 'm' }
  }
  const parts = { records: new WrittenRecords(), offsets: [], member, isSmallest: false }
  expect((await thrownBy(transactions.commit(parts))).code).toBe('REBALANCING')
  expect(sent).toEqual([])
})
