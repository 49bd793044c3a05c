import { TidemarkError } from '../../kernel/errors.ts'
import type { Needs } from '../port.ts'
import type { Brokers } from './brokers.ts'
import { notAllowed, notCoordinated } from './rights.ts'
import { CODE } from './wire/codes.ts'
import { describeGroup } from './wire/groups.ts'
import { tryTransactionalId } from './wire/transactions.ts'

// Finds which rights a user lacks before they are needed.

/** What the user may do with a topic or a group. */
interface AuthorizedOperations {
  readonly code: number
  /** Bit set by operation number; below 0: not reported, so that only a request can show it. */
  readonly operations: number
}

/** The protocol's operation numbers. */
const BITS = { READ: 3, WRITE: 4 } as const
const DENIED: ReadonlySet<number> = new Set([
  CODE.TOPIC_AUTHORIZATION_FAILED,
  CODE.GROUP_AUTHORIZATION_FAILED,
  CODE.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
])

/**
 * Returns an error for each right that the user lacks, as far as brokers report that in advance.
 * Joins nothing and changes nothing.
 * @param transactionalId `null`: there are no transactions
 * @throws TidemarkError as `Brokers.ask`
 */
export async function missingRights(
  brokers: Brokers,
  { reads, writes, group }: Needs,
  transactionalId: string | null,
): Promise<TidemarkError[]> {
  const topics = await brokers.describe([...new Set([...reads, ...writes])])
  const described = new Map(topics.map((topic) => [topic.topic, topic]))
  const ofTopics = (operation: keyof typeof BITS, names: readonly string[]) =>
    names
      .filter((name) => lacks(described.get(name), operation))
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

function lacks(described: AuthorizedOperations | undefined, operation: keyof typeof BITS): boolean {
  if (described === undefined) return false
  const isReported = described.operations >= 0
  return (
    DENIED.has(described.code) ||
    (isReported && (described.operations & (1 << BITS[operation])) === 0)
  )
}

/**
 * The missing right that an answer shows, or that finding the coordinator has shown; `null`: none.
 */
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
