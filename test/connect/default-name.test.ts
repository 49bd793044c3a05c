import { expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { DefaultName } from '../../src/connect/kafka/group/zombie-fencing.ts'
import type { DescribedMember } from '../../src/connect/kafka/wire/groups.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { sleeplessClock } from '../support/clocks.ts'
import { thrownBy } from '../support/thrown.ts'

// Who is taken out of a group by whoever comes under a default name: decided by the addresses that
// the brokers tell.

const NAME = 'host-1'

/** `a@10.0.0.1` */
function member(of: string, clientId = NAME): DescribedMember {
  const [memberId = '', address] = of.split('@')
  return { memberId, clientId, clientHost: `/${address}`, assignment: Buffer.alloc(0) }
}

/**
 * Brokers that show a group as it is at each look, the last for ever; `null`: they do not answer.
 */
function showing(...looks: (readonly DescribedMember[] | null)[]) {
  const left: string[] = []
  let looked = 0
  const brokers = {
    clock: sleeplessClock(),
    askCoordinator: async () => {
      const members = looks[Math.min(looked++, looks.length - 1)]
      if (members === null) throw new TidemarkError('BROKER_UNAVAILABLE', 'it is moving')
      return { code: 0, state: 'PreparingRebalance', members }
    },
    coordinatorOf: () => '1',
    groupBroker: async () => ({
      leaveGroup: async ({ memberId }: { memberId: string }) => void left.push(memberId),
    }),
  } as unknown as Brokers
  return { brokers, left, looked: () => looked }
}

/**
 * Ids of the members that a joining worker takes out; it has joined when the last look is shown for
 * the second time.
 */
async function takenOut(...looks: (readonly DescribedMember[] | null)[]): Promise<string[]> {
  const { brokers, left, looked } = showing(...looks)
  const name = new DefaultName(NAME)
  const holders = await name.holders('g', brokers)
  const stillJoins = () => looked() <= looks.length
  await name.replace(holders, { group: 'g', brokers, isJoining: stillJoins })
  return left
}

const isJoining = () => true
const dead = member('dead@10.0.0.1')
const own = member('own@10.0.0.1')

test('a namesake that came from the own address is taken out, once the group shows the own one', async () => {
  expect(await takenOut([dead], [dead], [dead, own])).toEqual(['dead'])
})

test('also when the group was not told of at first', async () => {
  expect(await takenOut([dead], null, [dead, own])).toEqual(['dead'])
})

test('one that came from another address stays', async () => {
  const elsewhere = member('elsewhere@10.0.0.2')
  expect(await takenOut([elsewhere], [elsewhere, own])).toEqual([])
  expect(await takenOut([elsewhere, dead], [elsewhere, dead, own])).toEqual(['dead'])
})

test('a member of another name stays, whatever its address', async () => {
  const neighbour = member('neighbour@10.0.0.1', 'host-2')
  expect(await takenOut([dead, neighbour], [dead, neighbour, own])).toEqual(['dead'])
})

test('nobody is taken out while it is not known which of two addresses is the own one', async () => {
  const another = member('another@10.0.0.2')
  expect(await takenOut([dead], [dead, own, another])).toEqual([])
})

test('whoever is gone by itself is not taken out', async () => {
  const other = member('other@10.0.0.1')
  expect(await takenOut([dead, other], [own, other])).toEqual(['other'])
})

test('a name is taken by a member that came from the own address, and by no other', async () => {
  const { brokers } = showing([], [own])
  const name = new DefaultName(NAME)
  await name.replace(await name.holders('g', brokers), { ...{ group: 'g', brokers }, isJoining })
  const isTaken = (...members: readonly DescribedMember[]) =>
    name.isTaken('g', showing(members).brokers)
  expect(await isTaken(member('m@10.0.0.2'), member('m@10.0.0.1', 'tidemark'))).toBe(false)
  expect(await isTaken(member('m@10.0.0.2'), member('m@10.0.0.1'))).toBe(true)
})

test('a broker that does not say who has the name holds up whoever joins', async () => {
  const { brokers } = showing(null)
  const told = thrownBy(new DefaultName(NAME).holders('g', brokers))
  expect((await told).code).toBe('BROKER_UNAVAILABLE')
})

test('where the own address is not known, it is taken by any member that has it; it is given up for good', async () => {
  const name = new DefaultName(NAME)
  expect(await name.isTaken('g', showing([member('m@10.0.0.1', 'tidemark')]).brokers)).toBe(false)
  expect(await name.isTaken('g', showing([member('m@10.0.0.2')]).brokers)).toBe(true)
  expect(name.text).toBe(NAME)
  const { code, message } = name.giveUp()
  expect(code).toBe('WORKER_NAME_LOST')
  expect(message).toContain(`"${NAME}"`)
  expect(name.text).toBeNull()
  // Nobody is asked any more.
  const { brokers, looked } = showing([member('m@10.0.0.2')])
  const holders = await name.holders('g', brokers)
  expect(holders.size).toBe(0)
  await name.replace(holders, { ...{ group: 'g', brokers }, isJoining })
  expect(await name.isTaken('g', brokers)).toBe(false)
  expect(looked()).toBe(0)
})
