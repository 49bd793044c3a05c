import { TidemarkError } from '../../kernel/errors.ts'
import type { Brokers } from './brokers.ts'
import { groupRefusal } from './group-refusal.ts'
import { whenSettled, within } from './waiting.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import { type DescribedMember, describeGroup, REBALANCING } from './wire/groups.ts'

// A worker's name is its client id, by which the members of a group are told apart here.

/** A worker has so long to be taken out of its group, ms. */
const LEAVING_MS = 5_000

/** The members of a group that have a name. */
export interface Namesakes {
  readonly members: readonly DescribedMember[]
  readonly isRebalancing: boolean
  /** Who told; `undefined`: it is being looked for anew. */
  readonly coordinator: string | undefined
}

/** @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `AUTHORIZATION` */
export async function namesakesIn(
  group: string,
  name: string,
  brokers: Brokers,
): Promise<Namesakes> {
  const of = { type: 'group', id: group } as const
  const { code, state, members } = await brokers.askCoordinator(
    of,
    describeGroup(group),
    (g) => g.code,
  )
  if (code !== CODE.NONE) {
    const what = `who is in group "${group}" is answered with ${nameOfCode(code)}`
    throw groupRefusal(code, group) ?? new TidemarkError('BROKER_UNAVAILABLE', what)
  }
  return {
    members: members.filter(({ clientId }) => clientId === name),
    isRebalancing: state === REBALANCING,
    coordinator: brokers.coordinatorOf(of),
  }
}

/**
 * Takes members out of a group, one after the other. One that cannot be is waited for by the group.
 */
export async function takeOut(
  group: string,
  memberIds: Iterable<string>,
  brokers: Brokers,
): Promise<void> {
  for (const memberId of memberIds) {
    const leaving = whenSettled(async () => {
      const coordinator = await brokers.groupBroker(group)
      await coordinator.leaveGroup({ groupId: group, memberId })
    }, brokers.clock)
    // Most have left already; the group says then that it does not know them.
    const limit = { ms: LEAVING_MS, doing: 'leaving', clock: brokers.clock }
    await within(limit, leaving).catch(() => {})
  }
}
