import type { Clock } from '../../../kernel/clock.ts'
import {
  type Code,
  configFault,
  type ErrorDetails,
  messageOf,
  TidemarkError,
} from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { tlsFault } from '../../../kernel/tls.ts'
import type { TopicPartition } from '../../port.ts'
import type { Coordinated } from '../wire/groups.ts'
import { CODE, hasCoordinatorMoved, hasMoved, isAmong, nameOfCode } from '../wire/protocol.ts'
import { TLS_MISMATCH } from './sockets.ts'

interface LibraryError {
  readonly name?: string
  readonly message?: string
  readonly type?: string
  readonly code?: unknown
  readonly broker?: string
}

const AWAY_HINT = 'check that the address is right and the broker is up'
const WITHOUT_HINT = 'the group went on without this member'
const LOGIN_HINT = 'check the credentials and the mechanism'
const RIGHT_HINT = 'the user lacks a right (ACL) on the topic, the group or the cluster'
const TLS_HINT = 'turn TLS on or off (--tls), or use the port of the other listener'
const SESSION_HINT =
  "see the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"

interface Kind {
  /** The name, the type or the code of an error. */
  readonly names: RegExp
  readonly message?: RegExp
  readonly code: Code
  readonly hint: string
}

const LOGIN = /^KafkaJSSASLAuthenticationError$/
/** The library's message for a connection that ends during authentication. */
const CUT_OFF = /: (Closed connection|Connection (error|timeout|closed)|Not connected)/
const NO_LOGIN =
  /^(KafkaJSSASLAuthenticationError|SASL_AUTHENTICATION_FAILED|UNSUPPORTED_SASL_MECHANISM)$/
const REBALANCE = /^(REBALANCE_IN_PROGRESS|ILLEGAL_GENERATION)$/
const UNREACHABLE =
  /^KafkaJS(Connection(Closed)?Error|RequestTimeoutError|BrokerNotFound|NoBrokerAvailableError|LockTimeout)$/

/** Kinds of the library's errors; the first that fits counts. */
const KINDS: readonly Kind[] = [
  { names: LOGIN, message: CUT_OFF, code: 'BROKER_UNAVAILABLE', hint: AWAY_HINT },
  { names: NO_LOGIN, code: 'AUTHENTICATION', hint: LOGIN_HINT },
  { names: /_AUTHORIZATION_FAILED$/, code: 'AUTHORIZATION', hint: RIGHT_HINT },
  { names: new RegExp(`^${TLS_MISMATCH}$`), code: 'CONFIG_INVALID', hint: TLS_HINT },
  { names: REBALANCE, code: 'REBALANCING', hint: 'the group is rebalancing' },
  { names: /^(UNKNOWN_MEMBER_ID|FENCED_INSTANCE_ID)$/, code: 'FENCED', hint: WITHOUT_HINT },
  { names: /^INVALID_SESSION_TIMEOUT$/, code: 'CONFIG_INVALID', hint: SESSION_HINT },
  { names: UNREACHABLE, code: 'BROKER_UNAVAILABLE', hint: AWAY_HINT },
]

/** Errors while a coordinator is elected: the same request will soon succeed. */
const ELECTING =
  /^(GROUP_LOAD_IN_PROGRESS|GROUP_COORDINATOR_NOT_AVAILABLE|NOT_COORDINATOR_FOR_GROUP)$/

export function isElecting(thrown: unknown): boolean {
  return causesOf(thrown).some(({ type = '' }) => ELECTING.test(type))
}

/** Whether the broker could not be reached, or did not answer: another broker may. */
export function isAway(thrown: unknown): boolean {
  return fromKafka(thrown, 'BROKER_UNAVAILABLE').code === 'BROKER_UNAVAILABLE'
}

export function isUnavailable(error: unknown): error is TidemarkError {
  return error instanceof TidemarkError && error.code === 'BROKER_UNAVAILABLE'
}

export function unavailable(message: string, details: ErrorDetails = {}): TidemarkError {
  return new TidemarkError('BROKER_UNAVAILABLE', message, details)
}

export function withoutLeader(partition: TopicPartition): TidemarkError {
  return unavailable(`${partitionName(partition)} has no leader`)
}

/** @param otherwise code for an unknown error */
export function fromKafka(thrown: unknown, otherwise: Code): TidemarkError {
  const chain = causesOf(thrown)
  for (const fault of chain) if (fault instanceof TidemarkError) return fault
  const tls = chain.map((fault) => tlsFault(fault, '--tls')).find((fault) => fault !== null)
  if (tls) {
    const { broker: where } = chain.find(({ broker }) => broker !== undefined) ?? {}
    const message = `no TLS with a broker: ${tls.what}`
    return new TidemarkError('AUTHENTICATION', message, { where, hint: tls.hint, cause: thrown })
  }
  const kind = KINDS.find((candidate) => chain.some((fault) => isOfKind(fault, candidate)))
  const { code, hint } = kind ?? { code: otherwise, hint: undefined }
  return new TidemarkError(code, messageOf(thrown), { hint, cause: thrown })
}

function isOfKind({ name, type, code, message = '' }: LibraryError, kind: Kind): boolean {
  const isNamed = [name, type, code].some((text) => kind.names.test(String(text)))
  return isNamed && kind.message?.test(message) !== false
}

/**
 * When a broker dies during a request, the library may throw anything, so an unknown error means
 * `BROKER_UNAVAILABLE`.
 */
export async function fromLibrary<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw fromKafka(error, 'BROKER_UNAVAILABLE')
  }
}

function causesOf(thrown: unknown): LibraryError[] {
  const chain: LibraryError[] = []
  const queue: unknown[] = [thrown]
  for (let at = queue.shift(); at !== undefined && chain.length < 20; at = queue.shift()) {
    if (typeof at !== 'object' || at === null || chain.includes(at)) continue
    chain.push(at)
    const { cause, errors } = at as { cause?: unknown; errors?: unknown }
    queue.push(cause, ...(Array.isArray(errors) ? (errors as unknown[]) : []))
  }
  return chain
}

/** The error for a group's refusal of an offset; `null`: another code. */
export function groupRefusal(code: number, group: string): TidemarkError | null {
  const message = `the group answered with ${nameOfCode(code)}`
  switch (code) {
    case CODE.REBALANCE_IN_PROGRESS:
    case CODE.ILLEGAL_GENERATION:
      return new TidemarkError('REBALANCING', message)
    case CODE.UNKNOWN_MEMBER_ID:
    case CODE.FENCED_INSTANCE_ID:
      return new TidemarkError('FENCED', message, { hint: WITHOUT_HINT })
    case CODE.OFFSET_METADATA_TOO_LARGE:
      return configFault(
        'the brokers accept less metadata with an offset than this group has to store',
        group,
        "set the brokers' offset.metadata.max.bytes to 4096, the default, or run fewer topologies in the group, or topologies with shorter names",
      )
    case CODE.GROUP_AUTHORIZATION_FAILED:
      return notAllowed('READ', 'group', group)
    case CODE.TOPIC_AUTHORIZATION_FAILED:
      return new TidemarkError('AUTHORIZATION', message, {
        where: group,
        hint: 'the user lacks the right READ on a topic whose offsets the group commits',
      })
    default:
      return null
  }
}

const passes = isAmong(
  CODE.NOT_ENOUGH_REPLICAS,
  CODE.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  CODE.CONCURRENT_TRANSACTIONS,
)

/** Whether the same batch will be accepted a little later, or by another leader. */
export function isRetriable(code: number): boolean {
  return passes(code) || hasMoved(code) || hasCoordinatorMoved(code)
}

const REFUSALS: ReadonlyMap<number, Code> = new Map<number, Code>([
  [CODE.MESSAGE_TOO_LARGE, 'TOPIC_LIMITS'],
  [CODE.RECORD_LIST_TOO_LARGE, 'TOPIC_LIMITS'],
  [CODE.INVALID_TIMESTAMP, 'TOPIC_LIMITS'],
  [CODE.INVALID_RECORD, 'TOPIC_LIMITS'],
  [CODE.CLUSTER_AUTHORIZATION_FAILED, 'AUTHORIZATION'],
  [CODE.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'AUTHORIZATION'],
  [CODE.INVALID_PRODUCER_EPOCH, 'FENCED'],
  [CODE.PRODUCER_FENCED, 'FENCED'],
  [CODE.INVALID_PRODUCER_ID_MAPPING, 'FENCED'],
])

const LACKS_ID = 'the user lacks a right (ACL) on the transactional id'
const HINTS: Readonly<Partial<Record<Code, string>>> = {
  TOPIC_LIMITS: "see the topic's max.message.bytes, segment.bytes and message.timestamp.* settings",
  AUTHORIZATION: `${LACKS_ID} or the cluster`,
}

/** Whether a batch is over the topic's limit (`max.message.bytes`) or `segment.bytes`. */
export const isBatchTooLarge = isAmong(CODE.MESSAGE_TOO_LARGE, CODE.RECORD_LIST_TOO_LARGE)

/** Smaller batches of the same records are to be tried at once. */
export const TOO_LARGE = new TidemarkError(
  'TOPIC_LIMITS',
  'a batch is larger than its topic allows',
)

/** The right leader is still ending the previous transaction. */
export const ENDING = unavailable('the previous transaction is still being ended')

export function produceRefusal(code: number, to: TopicPartition): TidemarkError {
  if (code === CODE.CONCURRENT_TRANSACTIONS) return ENDING
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) return notAllowed('WRITE', 'topic', to.topic)
  const kind = REFUSALS.get(code) ?? (isRetriable(code) ? 'BROKER_UNAVAILABLE' : 'COMMIT_FAILED')
  const details = { where: partitionName(to), hint: HINTS[kind] }
  return new TidemarkError(kind, `the broker answers ${nameOfCode(code)}`, details)
}

/** The error for a coordinator's refusal of a transaction. */
export function transactionRefusal(code: number): TidemarkError {
  const kind = REFUSALS.get(code) ?? 'COMMIT_FAILED'
  const hint = kind === 'AUTHORIZATION' ? LACKS_ID : undefined
  return new TidemarkError(kind, `the broker answers ${nameOfCode(code)}`, { hint })
}

interface PartitionFailure {
  readonly operation: Operation
  /** The subject of the request, such as `the end of`. */
  readonly subject: string
  /** @default 'BROKER_UNAVAILABLE' */
  readonly otherwise?: Code
}

export function partitionRefusal(
  code: number,
  partition: TopicPartition,
  { operation, subject, otherwise = 'BROKER_UNAVAILABLE' }: PartitionFailure,
): TidemarkError {
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) {
    return notAllowed(operation, 'topic', partition.topic)
  }
  const message = `the broker answered a request for ${subject} ${partitionName(partition)} with ${nameOfCode(code)}`
  return new TidemarkError(otherwise, message)
}

// Errors for missing rights (ACLs). `READ` and `WRITE` each imply the right to describe the
// resource.

const VERBS = { READ: 'Read', WRITE: 'Write', DESCRIBE: 'Describe', CREATE: 'Create' } as const
const FLAGS = { topic: 'topic', group: 'group', 'transactional id': 'transactional-id' } as const

type Operation = keyof typeof VERBS

/** The error for a missing right, with the command that grants it. */
export function notAllowed(operation: Operation, type: keyof typeof FLAGS, name: string) {
  const message = `the user has no right to ${operation} the ${type} "${name}"`
  const hint = `kafka-acls.sh --add --allow-principal User:… --operation ${VERBS[operation]} --${FLAGS[type]} ${name}`
  return new TidemarkError('AUTHORIZATION', message, { hint })
}

/** A worker reads as a group and writes under a transactional id. */
export function notCoordinated({ type, id: name }: Coordinated): TidemarkError {
  return type === 'group'
    ? notAllowed('READ', type, name)
    : notAllowed('WRITE', 'transactional id', name)
}

// A client may log in where it need not, or not where it must. A listener without SASL answers a
// login with ILLEGAL_SASL_STATE; one with SASL tells its API versions to anybody, and ends the
// connection at any other request. An outage may look like the latter, so all brokers must have
// answered so several times.

const ROUNDS = 3
/** Brokers that restart show it for less than this, times the rounds. */
const BETWEEN_MS = 1_000

const MISTAKES = {
  missing: {
    message: 'the connection ends at the first request of a client that does not log in',
    hint: 'set the SASL mechanism, user name and password (--sasl-mechanism, …), or use the port of a listener without SASL',
  },
  unwanted: {
    message: 'there is no login here: the listener is one without SASL',
    hint: 'leave out the SASL settings, or use the port of the listener with SASL',
  },
} as const

export type LoginMistake = keyof typeof MISTAKES

interface FirstSteps {
  readonly logsIn: boolean
  /** Whether the broker has told its API versions. */
  readonly isMet: boolean
}

/** The login mistake that an error shows; `null`: none. */
export function mistakeShownBy(error: unknown, { logsIn, isMet }: FirstSteps): LoginMistake | null {
  const chain = causesOf(error)
  if (logsIn) return chain.some(({ type }) => type === 'ILLEGAL_SASL_STATE') ? 'unwanted' : null
  const hasEnded = ({ message = '' }) => /Closed connection|it has ended/.test(message)
  return isMet && chain.some(hasEnded) ? 'missing' : null
}

/**
 * Asks all bootstrap brokers several times.
 * @returns `AUTHENTICATION` if all show the same mistake each time; `null`: it may be an outage
 */
export async function loginMistake(
  brokers: readonly string[],
  ask: (broker: string) => Promise<LoginMistake | null>,
  clock: Clock,
): Promise<TidemarkError | null> {
  const shown = new Set<LoginMistake | null>()
  for (let round = 0; round < ROUNDS; round++) {
    if (round > 0) await clock.sleep(BETWEEN_MS)
    for (const mistake of await Promise.all(brokers.map(ask))) shown.add(mistake)
    if (shown.size > 1 || shown.has(null)) return null
  }
  const [only] = shown
  if (only == null) return null
  const { message, hint } = MISTAKES[only]
  return new TidemarkError('AUTHENTICATION', message, { where: brokers.join(), hint })
}
