import { TidemarkError } from '../../kernel/errors.ts'
import type { Needs } from '../port.ts'
import type { Brokers } from './brokers.ts'
import { notAllowed, notCoordinated } from './rights.ts'
import { CODE } from './wire/codes.ts'
import { describeGroup } from './wire/groups.ts'
import { tryTransactionalId } from './wire/transactions.ts'

// Which rights a user lacks, before they are needed.

/** What a topic, or a group, says that its user may do. */
interface Told {
  readonly code: number
  /** A bit for each operation; below 0: not told, so that only trying can show it. */
  readonly operations: number
}

/** The protocol's numbers of operations. */
const BITS = { READ: 3, WRITE: 4 } as const
const DENIED: ReadonlySet<number> = new Set([
  CODE.TOPIC_AUTHORIZATION_FAILED,
  CODE.GROUP_AUTHORIZATION_FAILED,
  CODE.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
])

/**
 * The rights that a user lacks, as far as brokers tell before they are used. Joins nothing, and
 * changes nothing.
 * @param transactionalId `null`: there are no transactions
 * @throws TidemarkError as `Brokers.ask`
 */
export async function missingRights(
  brokers: Brokers,
  { reads, writes, group }: Needs,
  transactionalId: string | null,
): Promise<TidemarkError[]> {
  const topics = await brokers.describe([...new Set([...reads, ...writes])])
  const told = new Map(topics.map((topic) => [topic.topic, topic]))
  const ofTopics = (operation: keyof typeof BITS, names: readonly string[]) =>
    names
      .filter((name) => lacks(told.get(name), operation))
      .map((name) => notAllowed(operation, { type: 'topic', name }))
  const groupId = { type: 'group', id: group } as const
  const asked = [
    denied(
      brokers.askCoordinator(groupId, describeGroup(group), (g) => g.code),
      (answer) => (lacks(answer, 'READ') ? notCoordinated(groupId) : null),
    ),
  ]
  if (transactionalId !== null) {
    const of = { type: 'transaction', id: transactionalId } as const
    const trying = brokers.askCoordinator(of, tryTransactionalId(transactionalId), (code) => code)
    asked.push(denied(trying, (code) => (DENIED.has(code) ? notCoordinated(of) : null)))
  }
  const others = await Promise.all(asked)
  return [
    ...ofTopics('READ', reads),
    ...ofTopics('WRITE', writes),
    ...others.filter((fault) => fault !== null),
  ]
}

function lacks(told: Told | undefined, operation: keyof typeof BITS): boolean {
  if (told === undefined) return false
  const isTold = told.operations >= 0
  return DENIED.has(told.code) || (isTold && (told.operations & (1 << BITS[operation])) === 0)
}

/** The fault that an answer shows, or that finding whom to ask has shown; `null`: none. */
async function denied<T>(
  asking: Promise<T>,
  faultOf: (answer: T) => TidemarkError | null,
): Promise<TidemarkError | null> {
  try {
    return faultOf(await asking)
  } catch (error) {
    if (error instanceof TidemarkError && error.code === 'AUTHORIZATION') return error
    throw error
  }
}
