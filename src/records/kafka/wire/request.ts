import { RequestWriter, ResponseReader } from './bytes.ts'

// Requests to a broker, independent of how they are sent.

/** The API keys of the requests that this driver encodes itself. */
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

/** The name of an API in the protocol. */
export type ApiName = keyof typeof API

/** A request in one version, and how its response is read. */
export interface Request<T> {
  readonly api: ApiName
  readonly version: number
  /** What follows the client id of the header. */
  readonly body: readonly Buffer[]
  /** Decodes a response from after the correlation id. */
  readonly decode: (payload: Buffer) => DecodedResponse<T>
  /**
   * How long the broker may delay its answer on purpose, ms.
   * @default 0
   */
  readonly waitsMs?: number
}

/** A decoded response. */
interface DecodedResponse<T> {
  readonly value: T
  /** How long the broker reads nothing more from the connection (KIP-219), ms. */
  readonly throttleMs: number
}

/** The version of a request and the encoding of that version. */
export interface Form {
  readonly version: number
  readonly isFlexible: boolean
}

/** Builds a request: `write` encodes its body, `read` decodes the body of the response. */
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
      // Tagged fields of the response header.
      reader.endStruct()
      const value = read(reader)
      return { value, throttleMs: reader.throttleMs }
    },
  }
}
