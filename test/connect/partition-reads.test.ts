import { expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { type EncodedBatch } from '../../src/connect/kafka/codec/encode.ts'
import { checkLogs } from '../../src/connect/kafka/consume/log-check.ts'
import { lookBack } from '../../src/connect/kafka/consume/partition-reads.ts'
import { CODE, type Request } from '../../src/connect/kafka/wire/protocol.ts'
import { MOST_UNPACKED_BYTES } from '../../src/connect/port.ts'
import { encodeBatches, NO_PRODUCER } from '../support/batches.ts'
import { thrownBy } from '../support/thrown.ts'
import { record } from './listener.ts'

// How far a time reaches back, by brokers that are none.

const AT_MS = 1_700_000_000_000
const HOUR_MS = 3_600_000
const EMPTY: Buffer = Buffer.alloc(0)
const START = { topic: 't', partition: 0, lowOffset: 0, metadata: null }

/** A log of one batch of two records, of which offset 3 is the first that is not too old. */
function log({ set = EMPTY, fetches = 0, lists = 0, ends = 0 }) {
  const asked: Buffer[] = []
  const answers: Record<string, unknown> = {
    Fetch: { code: CODE.NONE, partitions: [{ code: fetches, aborted: [], set }] },
    ListOffsets: [{ code: lists, offset: 3 }],
    OffsetForLeaderEpoch: [{ topic: 't', partition: 0, code: ends }],
  }
  const ask = async (_: string, { api, body }: Request<unknown>) => {
    if (api === 'ListOffsets') asked.push(...body)
    return answers[api]
  }
  const brokers = { ask, map: { leaderOf: () => '1', leaderEpochOf: () => 5, idOf: () => null } }
  return { brokers: brokers as unknown as Brokers, asked }
}

/** Small on the wire. */
function batch(value: Buffer): Buffer {
  const records = [0, 1].map((i) => record('t', { value, timestampMs: AT_MS + i }))
  const options = { maxBytes: 2 ** 30, producer: NO_PRODUCER, compression: 'gzip' } as const
  const [{ bytes }] = encodeBatches(records, options) as [EncodedBatch]
  return bytes
}

const sinceMs = (ms: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(ms))
  return bytes
}

for (const [where, value, atMs] of [
  ['one that can be read', Buffer.alloc(10), [AT_MS, AT_MS + 1]],
  [
    'one that unpacks to more than is allowed',
    Buffer.alloc(MOST_UNPACKED_BYTES / 2 + 1),
    [AT_MS + 1, AT_MS + 1],
  ],
] as const) {
  test(`the batch at the start, or the last before it, may be ${where}`, async () => {
    const set = batch(value)
    for (const [i, baseOffset] of [10n, 8n].entries()) {
      set.writeBigInt64BE(baseOffset)
      const { brokers, asked } = log({ set })
      expect(await lookBack(brokers, { ...START, nextOffset: 10 }, HOUR_MS)).toBe(3)
      expect(Buffer.concat(asked).includes(sinceMs((atMs[i] as number) - HOUR_MS))).toBe(true)
    }
  })
}

const DENIED = CODE.TOPIC_AUTHORIZATION_FAILED

test('a right that is missing is told as one', async () => {
  const start = { ...START, nextOffset: 10 }
  const unread = log({ fetches: DENIED })
  expect(await thrownBy(lookBack(unread.brokers, start, HOUR_MS))).toMatchObject({
    code: 'AUTHORIZATION',
    message: 'the user has no right to READ the topic "t"',
  })
  const unlisted = log({ set: batch(Buffer.alloc(10)), lists: DENIED })
  expect(await thrownBy(lookBack(unlisted.brokers, start, HOUR_MS))).toMatchObject({
    code: 'AUTHORIZATION',
    message: 'the user has no right to DESCRIBE the topic "t"',
  })
  const { brokers } = log({ ends: DENIED })
  const mark = { ...start, topicId: null, readEpoch: 4, checkedEpoch: 4 }
  expect((await checkLogs(brokers, '1', [mark])).get('t-0')).toMatchObject({
    code: 'AUTHORIZATION',
    message: 'the user has no right to DESCRIBE the topic "t"',
  })
})
