import { expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { ZombieFencing } from '../../src/connect/kafka/group/zombie-fencing.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { HandClock } from '../support/clocks.ts'
import { thrownBy } from '../support/thrown.ts'

test('a place is taken over by whoever comes up, also when the group did not answer at first', async () => {
  const answers = [
    () => Promise.reject(new TidemarkError('BROKER_UNAVAILABLE', 'it is moving')),
    async () => ({ code: 0, state: 'Stable', members: [{ memberId: 'm-1', clientId: 'w1' }] }),
  ]
  const left: string[] = []
  const brokers = {
    clock: new HandClock(0),
    askCoordinator: () => answers.shift()?.(),
    coordinatorOf: () => '1',
    groupBroker: async () => ({
      leaveGroup: async ({ memberId }: { memberId: string }) => void left.push(memberId),
    }),
  } as unknown as Brokers
  const stale = new ZombieFencing('w1', 6_000)
  stale.add('g', 'm-0')
  expect((await thrownBy(stale.remove('g', brokers))).code).toBe('BROKER_UNAVAILABLE')
  expect(left).toEqual([])
  await stale.remove('g', brokers)
  expect(left).toEqual(['m-0', 'm-1'])
})

/**
 * A group in which `w1` is there for so many looks; from the fourth on the second coordinator
 * tells.
 */
function moving(coordinators: readonly string[], goneAfter: number) {
  let looks = 0
  const clock = new HandClock(0)
  const brokers = {
    clock,
    askCoordinator: async () => {
      looks++
      const members = looks > goneAfter ? [] : [{ memberId: 'm-1', clientId: 'w1' }]
      return { code: 0, state: 'Stable', members }
    },
    coordinatorOf: () => coordinators[looks < 4 ? 0 : 1],
  } as unknown as Brokers
  return { brokers, clock }
}

/** Looks come every 500 ms, for a session and 2 s. */
const SESSION_MS = 100

test('one of the same name that is there for longer than its session lives', async () => {
  const stale = new ZombieFencing('w1', SESSION_MS)
  const { brokers, clock } = moving(['1', '1'], 8)
  const refused = thrownBy(stale.checkName('g', brokers, () => 'm-2'))
  await clock.pass(SESSION_MS + 2_500)
  expect((await refused).code).toBe('WORKER_NAME_TAKEN')
})

test('its session begins again under another coordinator', async () => {
  const stale = new ZombieFencing('w1', SESSION_MS)
  const { brokers, clock } = moving(['1', '2'], 8)
  const checked = stale.checkName('g', brokers, () => 'm-2')
  await clock.pass(2 * (SESSION_MS + 2_500))
  await expect(checked).resolves.toBeUndefined()
})
