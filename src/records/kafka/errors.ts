import { type Code, messageOf, TidemarkError } from '../../kernel/errors.ts'
import { OTHER_SPEECH } from './spoken.ts'

// Classifies the library's errors by what can be done about them.

/** The properties of the library's errors and their causes. */
interface LibraryError {
  readonly name?: string
  readonly message?: string
  /** The protocol's name of the broker's error. */
  readonly type?: string
  /** Error code of the operating system or OpenSSL. */
  readonly code?: unknown
}

const AWAY_HINT = 'check that the address is right and the broker is up'
/** The library's message, without a cause, for a connection that ends during authentication. */
const CUT_OFF = /: (Closed connection|Connection (error|timeout|closed)|Not connected)/

const KINDS: readonly { code: Code; hint: string; matches: (fault: LibraryError) => boolean }[] = [
  {
    code: 'BROKER_UNAVAILABLE',
    hint: AWAY_HINT,
    matches: ({ name, message = '' }) =>
      name === 'KafkaJSSASLAuthenticationError' && CUT_OFF.test(message),
  },
  {
    code: 'AUTHENTICATION',
    hint: 'check the credentials and the mechanism',
    matches: ({ name, type }) =>
      name === 'KafkaJSSASLAuthenticationError' ||
      type === 'SASL_AUTHENTICATION_FAILED' ||
      type === 'UNSUPPORTED_SASL_MECHANISM',
  },
  {
    code: 'AUTHORIZATION',
    hint: 'the user lacks a right (ACL) on the topic, the group or the cluster',
    matches: ({ type }) => type?.endsWith('_AUTHORIZATION_FAILED') ?? false,
  },
  {
    code: 'CONFIG_INVALID',
    hint: 'turn TLS on or off (--tls), or use the port of the other listener',
    matches: ({ code }) => code === OTHER_SPEECH,
  },
  {
    code: 'AUTHENTICATION',
    hint: 'the TLS handshake failed: check the certificate authority, and that the port uses TLS',
    matches: ({ code }) => isTlsFailure(code),
  },
  {
    code: 'REBALANCING',
    hint: 'the group is rebalancing',
    matches: ({ type }) => type === 'REBALANCE_IN_PROGRESS' || type === 'ILLEGAL_GENERATION',
  },
  {
    code: 'FENCED',
    hint: 'the group went on without this member',
    matches: ({ type }) => type !== undefined && FENCING.has(type),
  },
  {
    code: 'TOPIC_LIMITS',
    hint: "see the topic's max.message.bytes and message.timestamp.* settings",
    matches: ({ type }) => type !== undefined && LIMITS.has(type),
  },
  {
    code: 'CONFIG_INVALID',
    hint: "see the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
    matches: ({ type }) => type === 'INVALID_SESSION_TIMEOUT',
  },
  {
    code: 'TOPIC_MISSING',
    hint: 'was it deleted?',
    matches: ({ type }) => type === 'UNKNOWN_TOPIC_OR_PARTITION',
  },
  {
    code: 'BROKER_UNAVAILABLE',
    hint: AWAY_HINT,
    matches: ({ name }) => name !== undefined && UNREACHABLE.has(name),
  },
]

const FENCING = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID'])
const LIMITS = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_TIMESTAMP',
  'INVALID_RECORD',
])
const UNREACHABLE = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSLockTimeout',
])

/**
 * Errors of a topic that was just created or a broker that was just started: the same request will
 * soon succeed.
 */
const SETTLING = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
])

/** Is the error one that passes when a topic or a broker has settled? */
export function isSettling(thrown: unknown): boolean {
  return causesOf(thrown).some(({ type }) => type !== undefined && SETTLING.has(type))
}

/** Is it the error code of a TLS handshake that failed? */
export function isTlsFailure(code: unknown): boolean {
  return typeof code === 'string' && /CERT|^ERR_(TLS|SSL)|^UNABLE_TO_|^EPROTO$/.test(code)
}

/** Could the broker not be reached, or did it not answer? Another broker may. */
export function isAway(thrown: unknown): boolean {
  return fromKafka(thrown, 'BROKER_UNAVAILABLE').code === 'BROKER_UNAVAILABLE'
}

/** Converts an error of the library; `otherwise` is the code for an unknown one. */
export function fromKafka(thrown: unknown, otherwise: Code): TidemarkError {
  const chain = causesOf(thrown)
  for (const fault of chain) if (fault instanceof TidemarkError) return fault
  const kind = KINDS.find(({ matches }) => chain.some((fault) => matches(fault)))
  const { code, hint } = kind ?? { code: otherwise, hint: undefined }
  return new TidemarkError(code, messageOf(thrown), {
    cause: thrown,
    ...(hint === undefined ? {} : { hint }),
  })
}

/** The error, its causes and the errors that it aggregates, outermost first. */
export function causesOf(thrown: unknown): LibraryError[] {
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
