import { RequestWriter, ResponseReader } from './bytes.ts'

// What is asked of a broker, apart from how it is sent.

/** The calls that this driver makes by itself, with the protocol's numbers. */
export const API = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  FindCoordinator: 10,
  DescribeGroups: 15,
  ApiVersions: 18,
  CreateTopics: 19,
  InitProducerId: 22,
  OffsetForLeaderEpoch: 23,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  TxnOffsetCommit: 28,
  DescribeConfigs: 32,
} as const

export type ApiName = keyof typeof API

/** A request in one version, and how its response is read. */
export interface Request<T> {
  readonly api: ApiName
  readonly version: number
  /** What follows the client's id in the header. */
  readonly body: readonly Buffer[]
  /** Of the response behind the correlation id. */
  readonly decode: (payload: Buffer) => Answer<T>
  /** How long the broker may take on purpose, ms. @default 0 */
  readonly waitsMs?: number
}

/** What a response says. */
interface Answer<T> {
  readonly value: T
  /** For how long the broker reads nothing more from the connection (KIP-219), ms. */
  readonly throttleMs: number
}

/** In what form a version is. */
export interface Form {
  readonly version: number
  readonly isFlexible: boolean
}

export function request<T>(
  api: ApiName,
  { version, isFlexible }: Form,
  {
    write,
    read,
  }: {
    readonly write: (to: RequestWriter) => void
    readonly read: (from: ResponseReader) => T
  },
): Request<T> {
  const writer = new RequestWriter(isFlexible)
  write(writer)
  return {
    api,
    version,
    body: writer.endStruct().pieces(),
    decode: (payload) => {
      const reader = new ResponseReader(payload, isFlexible)
      // Tagged fields of the response's header.
      reader.endStruct()
      const value = read(reader)
      return { value, throttleMs: reader.throttleMs }
    },
  }
}
