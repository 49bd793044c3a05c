import { beforeEach, expect, test } from 'vitest'
import { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { clientConfig } from '../../src/connect/kafka/client/options.ts'
import { findCoordinator } from '../../src/connect/kafka/wire/groups.ts'
import { HandClock } from '../support/clocks.ts'
import { thrownBy } from '../support/thrown.ts'

let clock: HandClock

beforeEach(() => {
  clock = new HandClock(0)
})

test('an answer that never comes holds up nobody who asks for metadata later', async () => {
  const brokers = new Brokers(clientConfig({ brokers: ['127.0.0.1:9092'] }), { clock })
  Object.assign(brokers.cluster, { refreshMetadata: () => new Promise(() => {}) })
  const both = [thrownBy(brokers.refresh()), thrownBy(brokers.refresh())]
  // They are asked for together with whoever asks in the next 50 ms.
  await clock.pass(20_050)
  expect((await Promise.all(both)).map(({ code }) => code)).toEqual([
    'BROKER_UNAVAILABLE',
    'BROKER_UNAVAILABLE',
  ])
  Object.assign(brokers.cluster, { refreshMetadata: async () => {} })
  const refreshed = brokers.refresh()
  await clock.pass(50)
  await refreshed
  brokers.close()
})

test('nor does a connection that is never made', async () => {
  const brokers = new Brokers(clientConfig({ brokers: ['127.0.0.1:9092'] }), { clock })
  Object.assign(brokers.cluster, { findBroker: () => new Promise(() => {}) })
  const failed = thrownBy(brokers.connectTo('1'))
  await clock.pass(20_000)
  expect((await failed).message).toBe('connecting with broker 1 took longer than 20000 ms')
  brokers.close()
})

test('those that can answer are asked in turn: one that is cut off would go on describing the cluster as it used to be', async () => {
  const brokers = new Brokers(clientConfig({ brokers: ['127.0.0.1:9092'] }), { clock })
  Object.assign(brokers.cluster, { getNodeIds: () => [1, 2, 3] })
  const asked: string[] = []
  Object.assign(brokers, { ask: async (nodeId: string) => asked.push(nodeId) })
  const question = findCoordinator({ type: 'group', id: 'g' })
  for (let i = 0; i < 4; i++) await brokers.askAny(question)
  expect(asked).toEqual(['1', '2', '3', '1'])
  brokers.close()
})
