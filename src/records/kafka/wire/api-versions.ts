import { RequestWriter, ResponseReader } from './bytes.ts'
import type { Request } from './request.ts'

/** The API versions and features of a broker. */
export interface BrokerApis {
  /** By API key: the oldest and the newest version that the broker supports. */
  readonly versions: ReadonlyMap<number, readonly [number, number]>
  /** Levels of finalized features (KIP-584), such as `transaction.version`. */
  readonly features: ReadonlyMap<string, number>
}

const FINALIZED_FEATURES = 2

/**
 * ApiVersions.
 * @param client name and version of the client, as letters, digits, `.` and `-`
 */
export function apiVersions(client: {
  readonly name: string
  readonly version: string
}): Request<{ readonly code: number } & BrokerApis> {
  const writer = new RequestWriter(true).string(client.name).string(client.version).endStruct()
  return {
    api: 'ApiVersions',
    version: 3,
    body: writer.pieces(),
    // The header of this response is never flexible, unlike all others, so that any client can read
    // it.
    decode: (payload) => {
      const reader = new ResponseReader(payload, true)
      const code = reader.int16()
      const versions = reader.array((r) => {
        const [api, oldest, newest] = [r.int16(), r.int16(), r.int16()]
        r.endStruct()
        return [api, [oldest, newest]] as const
      })
      reader.throttle()
      const features = reader
        .tagged()
        .get(FINALIZED_FEATURES)
        ?.array((r) => {
          const [name, newest] = [r.string() ?? '', r.int16()]
          // The minimum version level.
          r.int16()
          r.endStruct()
          return [name, newest] as const
        })
      const value = { code, versions: new Map(versions), features: new Map(features) }
      return { value, throttleMs: reader.throttleMs }
    },
  }
}
