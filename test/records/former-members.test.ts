import { expect, test } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import type { Brokers } from '../../src/records/kafka/brokers.ts'
import { FormerMembers } from '../../src/records/kafka/former-members.ts'
import { thrownBy } from '../support/thrown.ts'

test('a place is taken over by whoever comes up, also when the group did not answer at first', async () => {
  const answers = [
    () => Promise.reject(new TidemarkError('BROKER_UNAVAILABLE', 'it is moving')),
    async () => ({ code: 0, state: 'Stable', members: [{ memberId: 'm-1', clientId: 'w1' }] }),
  ]
  const left: string[] = []
  const brokers = {
    askCoordinator: () => answers.shift()?.(),
    groupBroker: async () => ({
      leaveGroup: async ({ memberId }: { memberId: string }) => void left.push(memberId),
    }),
  } as unknown as Brokers
  const former = new FormerMembers('w1', 6_000)
  former.add('g', 'm-0')
  expect((await thrownBy(former.takeOut('g', brokers))).code).toBe('BROKER_UNAVAILABLE')
  expect(left).toEqual([])
  await former.takeOut('g', brokers)
  expect(left).toEqual(['m-0', 'm-1'])
})
