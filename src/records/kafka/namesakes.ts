import { TidemarkError } from '../../kernel/errors.ts'
import type { Brokers } from './brokers.ts'
import { groupRefusal } from './group-refusal.ts'
import { whenSettled, within } from './waiting.ts'
import { CODE, nameOfCode } from './wire/codes.ts'
import { type DescribedMember, describeGroup, REBALANCING } from './wire/groups.ts'

// Finds members of a group by worker name, which is their client id.

/** Time limit for removing a member from its group, ms. */
const LEAVING_MS = 5_000

/** The members of a group that have a given name. */
export interface Namesakes {
  readonly members: readonly DescribedMember[]
  readonly isRebalancing: boolean
  /** The coordinator that answered; `undefined`: it is being looked up again. */
  readonly coordinator: string | undefined
}

/**
 * The members of a group that have a name.
 * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `AUTHORIZATION`
 */
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
    const what = `the coordinator answered a request for the members of group "${group}" with ${nameOfCode(code)}`
    throw groupRefusal(code, group) ?? new TidemarkError('BROKER_UNAVAILABLE', what)
  }
  return {
    members: members.filter(({ clientId }) => clientId === name),
    isRebalancing: state === REBALANCING,
    coordinator: brokers.coordinatorOf(of),
  }
}

/**
 * Removes members from a group, one after the other. A member that cannot be removed is waited for
 * by the group.
 */
export async function removeMembers(
  group: string,
  memberIds: Iterable<string>,
  brokers: Brokers,
): Promise<void> {
  for (const memberId of memberIds) {
    const leaving = whenSettled(async () => {
      const coordinator = await brokers.groupBroker(group)
      await coordinator.leaveGroup({ groupId: group, memberId })
    }, brokers.clock)
    // Most have left already; the group then answers that it does not know them.
    const limit = { ms: LEAVING_MS, doing: 'leaving', clock: brokers.clock }
    await within(limit, leaving).catch(() => {})
  }
}
