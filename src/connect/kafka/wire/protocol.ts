import { RequestWriter, ResponseReader } from './bytes.ts'

// Requests to a broker, independent of how they are sent, and the protocol's error codes.

interface Form {
  readonly version: number
  readonly isFlexible: boolean
}

const classic = (version: number): Form => ({ version, isFlexible: false })
export const flexible = (version: number): Form => ({ version, isFlexible: true })

/** Keys and oldest versions of the requests; newer ones only where the broker supports them. */
export const API = {
  Produce: { key: 0, ...classic(7) },
  Fetch: { key: 1, ...classic(11) },
  ListOffsets: { key: 2, ...classic(5) },
  Metadata: { key: 3, ...classic(8) },
  OffsetCommit: { key: 8, ...classic(7) },
  OffsetFetch: { key: 9, ...flexible(7) },
  FindCoordinator: { key: 10, ...classic(2) },
  DescribeGroups: { key: 15, ...classic(4) },
  ApiVersions: { key: 18, ...flexible(3) },
  CreateTopics: { key: 19, ...classic(4) },
  InitProducerId: { key: 22, ...flexible(3) },
  OffsetForLeaderEpoch: { key: 23, ...classic(3) },
  AddPartitionsToTxn: { key: 24, ...classic(1) },
  AddOffsetsToTxn: { key: 25, ...classic(1) },
  EndTxn: { key: 26, ...classic(1) },
  TxnOffsetCommit: { key: 28, ...flexible(3) },
  DescribeConfigs: { key: 32, ...classic(2) },
} as const

export type ApiName = keyof typeof API

export interface Coded {
  readonly code: number
}

export interface Request<T> {
  readonly api: ApiName
  readonly version: number
  /** Body after the client id of the header. */
  readonly body: readonly Buffer[]
  /** Decodes a response from after the correlation id. */
  readonly decode: (payload: Buffer) => { readonly value: T; readonly throttleMs: number }
  /** How long the broker may delay its answer on purpose, ms. @default 0 */
  readonly waitsMs?: number
}

/** Responses that do not begin with the throttle time. */
const THROTTLE_LATER: ReadonlySet<ApiName> = new Set<ApiName>(['Produce', 'ApiVersions'])

export function request<T>(
  api: ApiName,
  parts: {
    /** @default that of {@link API} */
    readonly form?: Form
    readonly write: (to: RequestWriter) => void
    readonly read: (from: ResponseReader) => T
  },
): Request<T> {
  const { version, isFlexible } = parts.form ?? API[api]
  const writer = new RequestWriter(isFlexible)
  parts.write(writer)
  return {
    api,
    version,
    body: writer.endStruct().pieces(),
    decode: (payload) => {
      const reader = new ResponseReader(payload, isFlexible)
      // Tagged fields of the response header. That of ApiVersions is never flexible, so that any
      // client can read it.
      if (api !== 'ApiVersions') reader.endStruct()
      if (!THROTTLE_LATER.has(api)) reader.throttle()
      const value = parts.read(reader)
      return { value, throttleMs: reader.throttleMs }
    },
  }
}

/** Error codes that this driver distinguishes, by the protocol's names. */
export const CODE = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  REQUEST_TIMED_OUT: 7,
  REPLICA_NOT_AVAILABLE: 9,
  MESSAGE_TOO_LARGE: 10,
  OFFSET_METADATA_TOO_LARGE: 12,
  NETWORK_EXCEPTION: 13,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  INVALID_TOPIC: 17,
  RECORD_LIST_TOO_LARGE: 18,
  NOT_ENOUGH_REPLICAS: 19,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 20,
  ILLEGAL_GENERATION: 22,
  UNKNOWN_MEMBER_ID: 25,
  REBALANCE_IN_PROGRESS: 27,
  TOPIC_AUTHORIZATION_FAILED: 29,
  GROUP_AUTHORIZATION_FAILED: 30,
  CLUSTER_AUTHORIZATION_FAILED: 31,
  INVALID_TIMESTAMP: 32,
  TOPIC_ALREADY_EXISTS: 36,
  NOT_CONTROLLER: 41,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  DUPLICATE_SEQUENCE_NUMBER: 46,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  INVALID_PRODUCER_ID_MAPPING: 49,
  INVALID_TRANSACTION_TIMEOUT: 50,
  CONCURRENT_TRANSACTIONS: 51,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 53,
  OPERATION_NOT_ATTEMPTED: 55,
  KAFKA_STORAGE_ERROR: 56,
  UNKNOWN_PRODUCER_ID: 59,
  FENCED_LEADER_EPOCH: 74,
  UNKNOWN_LEADER_EPOCH: 75,
  OFFSET_NOT_AVAILABLE: 78,
  FENCED_INSTANCE_ID: 82,
  INVALID_RECORD: 87,
  UNSTABLE_OFFSET_COMMIT: 88,
  PRODUCER_FENCED: 90,
  UNKNOWN_TOPIC_ID: 100,
  INCONSISTENT_TOPIC_ID: 103,
  TRANSACTION_ABORTABLE: 120,
} as const

const NAMES = new Map<number, string>(Object.entries(CODE).map(([name, code]) => [code, name]))

/** Returns the protocol's name of a code, or `error N` for one that is not in {@link CODE}. */
export function nameOfCode(code: number): string {
  return NAMES.get(code) ?? `error ${code}`
}

/** Returns whether a code is one of some. */
export function isAmong(...codes: readonly number[]): (code: number) => boolean {
  return (code) => codes.includes(code)
}

/**
 * Whether the partition's leader is changing: another broker, or the same one a little later, will
 * answer, and the request is worth a retry.
 */
export const hasMoved = isAmong(
  CODE.UNKNOWN_TOPIC_OR_PARTITION,
  CODE.LEADER_NOT_AVAILABLE,
  CODE.NOT_LEADER_OR_FOLLOWER,
  CODE.REPLICA_NOT_AVAILABLE,
  CODE.KAFKA_STORAGE_ERROR,
  CODE.FENCED_LEADER_EPOCH,
  CODE.UNKNOWN_LEADER_EPOCH,
  CODE.OFFSET_NOT_AVAILABLE,
)

/** Whether the coordinator is changing: then the request is worth a retry. */
export const hasCoordinatorMoved = isAmong(
  CODE.COORDINATOR_LOAD_IN_PROGRESS,
  CODE.COORDINATOR_NOT_AVAILABLE,
  CODE.NOT_COORDINATOR,
  CODE.NETWORK_EXCEPTION,
  CODE.REQUEST_TIMED_OUT,
)

/** Whether the user lacks a right to the resource. */
export const isDenied = isAmong(
  CODE.TOPIC_AUTHORIZATION_FAILED,
  CODE.GROUP_AUTHORIZATION_FAILED,
  CODE.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)
