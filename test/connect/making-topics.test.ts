import { expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { KafkaAdmin } from '../../src/connect/kafka/group/admin.ts'
import { CODE } from '../../src/connect/kafka/wire/protocol.ts'
import { thrownBy } from '../support/thrown.ts'

test.each([
  ['is not controlling', CODE.NOT_CONTROLLER, 'BROKER_UNAVAILABLE'],
  ['has not done it in time', CODE.REQUEST_TIMED_OUT, 'BROKER_UNAVAILABLE'],
  ['does not let the user', CODE.TOPIC_AUTHORIZATION_FAILED, 'AUTHORIZATION'],
  ['does not take its name', CODE.INVALID_TOPIC, 'CONFIG_INVALID'],
])('of a topic to be made it is told when the broker %s', async (_, code, told) => {
  const brokers = {
    connect: async () => {},
    close: () => {},
    askController: async () => [{ code, message: null }],
  }
  const admin = new KafkaAdmin(() => brokers as unknown as Brokers)
  const making = admin.create([{ name: 't', partitions: 1 }])
  expect(await thrownBy(making)).toMatchObject({
    code: told,
    message: expect.stringContaining('topic "t"'),
  })
})
