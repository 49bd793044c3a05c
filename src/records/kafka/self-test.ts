import { createRequire } from 'node:module'
import { isDeepStrictEqual } from 'node:util'
import { TidemarkError } from '../../kernel/errors.ts'
import type { OutgoingRecord } from '../record-format.ts'
import { BatchEncoder } from './codec/encode.ts'
import type { FetchedRecords } from './codec/fetched-records.ts'
import { decodeRecords } from './codec/record-set.ts'
import type { BrokerApis } from './wire/cluster.ts'
import { API } from './wire/protocol.ts'

// Checks before anything is sent that this driver works with what is installed: the library's
// version, because it uses private parts of it; the codec on this machine; the broker's API
// versions. A driver that does not is refused, so that nothing is ever corrupted.

const LIBRARY = '2.2.4'

const RECORDS: readonly OutgoingRecord[] = [
  {
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    timestampMs: 1_700_000_000_000,
    headers: [{ name: 'h', value: Buffer.from('1') }],
  },
  { key: null, value: Buffer.from('ü'.repeat(40)), timestampMs: 1_700_000_000_500, headers: [] },
]
const PRODUCER = { id: 7, epoch: 3, baseSequence: 11, isTransactional: true }
export const KNOWN = Buffer.from(
  'AAAAAAAAAAAAAACY/////wJFg5hKABAAAAABAAABi8/laAAAAAGLz+Vp9AAAAAAAAAAHAAMAAAALAAAAAhgAAAACawJ2AgJoAjGw' +
    'AQDoBwIBoAHDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zD' +
    'vMO8w7zDvMO8w7zDvAA=',
  'base64',
)

export interface Foundation {
  readonly version: string
  readonly encode: (records: readonly OutgoingRecord[]) => Buffer | undefined
  readonly decode: (batch: Buffer) => FetchedRecords
}

export const FOUNDATION: Foundation = {
  version: (createRequire(import.meta.url)('kafkajs/package.json') as { version: string }).version,
  encode: (records) => {
    const options = { maxBytes: 1_000, producer: PRODUCER, compression: 'none' } as const
    return new BatchEncoder().encode(records, options)[0]?.bytes
  },
  decode: (batch) => decodeRecords(batch, { partition: 'self-test', fromOffset: 0, aborted: [] }),
}

/** @throws TidemarkError `CLIENT_BROKEN` */
export function selfTest(on: Foundation = FOUNDATION): void {
  if (on.version !== LIBRARY) {
    throw broken(
      `kafkajs has version ${on.version}, but this driver uses private parts of version ${LIBRARY}`,
    )
  }
  testCodec(on)
}

/** @throws TidemarkError `BROKER_TOO_OLD` */
export function checkApiVersions({ versions }: BrokerApis): void {
  const lacking = Object.entries(API).filter(([, { key, version }]) => {
    const [oldest, newest] = versions.get(key) ?? [0, -1]
    return version < oldest || version > newest
  })
  if (lacking.length === 0) return
  const calls = lacking.map(([name, { version }]) => `${name} ${version}`).join(', ')
  throw new TidemarkError('BROKER_TOO_OLD', `the broker does not support ${calls}`, {
    hint: 'Kafka 2.5 to 4.x supports them; a proxy in between may report other versions',
  })
}

function testCodec({ encode, decode }: Foundation): void {
  if (encode(RECORDS)?.equals(KNOWN) !== true)
    throw broken('a known batch is not encoded correctly')
  const read = decode(KNOWN)
  const isRead = RECORDS.every((record, i) => {
    if (i >= read.length) return false
    const { key, value, timestampMs, headers } = read.at(i)
    return isDeepStrictEqual({ key, value, timestampMs, headers }, record)
  })
  if (read.length !== RECORDS.length || !isRead)
    throw broken('a known batch is not decoded correctly')
  const damaged = Buffer.from(KNOWN)
  damaged[damaged.length - 2] = 0
  try {
    decode(damaged)
  } catch {
    return
  }
  throw broken('a damaged batch is not detected')
}

function broken(what: string): TidemarkError {
  return new TidemarkError('CLIENT_BROKEN', what, {
    hint: 'install the packages that package-lock.json names (npm ci)',
  })
}
