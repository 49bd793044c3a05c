import { describe, expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { initialLogMark } from '../../src/connect/kafka/consume/fetcher.ts'
import { checkLogs, type LogMark } from '../../src/connect/kafka/consume/log-check.ts'
import type { FetchedPartition } from '../../src/connect/kafka/wire/fetch.ts'
import { CODE, type Request } from '../../src/connect/kafka/wire/protocol.ts'

const HERE = { topic: 't', partition: 3 }

/** A batch's header, in which only the leader epoch is set. */
function batchOf(leaderEpoch: number): Buffer {
  const batch = Buffer.alloc(61)
  batch.writeInt32BE(leaderEpoch, 12)
  return batch
}

/** Where a question for {@link HERE} says under which epoch its leader is known to lead, bytes. */
const EPOCH_AT = { OffsetForLeaderEpoch: 19, Fetch: 40 }

/** The leader's answers to a fetch where the last record was read. */
const THERE: Readonly<Record<string, Partial<FetchedPartition>>> = {
  same: { code: CODE.NONE, set: batchOf(10) },
  another: { code: CODE.NONE, set: batchOf(11) },
  nothing: { code: CODE.OFFSET_OUT_OF_RANGE },
  'nothing yet': { code: CODE.NONE, set: Buffer.alloc(0) },
}

/** A cluster whose leader says that it has the log only up to 336 for the epochs before its own. */
function clusterOf(there: string) {
  let epoch = 10
  const ask = async (_: string, { api, body }: Request<unknown>) => {
    asked.push(`${api} ${Buffer.concat(body).readInt32BE(EPOCH_AT[api as keyof typeof EPOCH_AT])}`)
    return api === 'Fetch'
      ? { code: CODE.NONE, partitions: [{ ...HERE, ...THERE[there] }] }
      : [{ ...HERE, code: CODE.NONE, epoch: 10, endOffset: 336 }]
  }
  const asked: string[] = []
  const brokers = {
    map: { idOf: () => 'an id', leaderEpochOf: () => epoch },
    ask,
  } as unknown as Brokers
  const elect = (newest: number) => {
    epoch = newest
  }
  return { brokers, elect, asked }
}

/** Up to 339, the last one of epoch 10; then another leader is elected. */
function afterReading(there: string) {
  const { brokers, elect } = clusterOf(there)
  const mark = { ...HERE, nextOffset: 339, ...initialLogMark('t', 3, brokers), readEpoch: 10 }
  elect(11)
  return { mark, checked: checkLogs(brokers, '1', [mark]) }
}

describe('a log under a new leader', () => {
  test.each(['another', 'nothing'])(
    'is another one with %s where the last record stood',
    async (there) => {
      const hindered = await afterReading(there).checked
      expect(hindered.get('t-3')).toMatchObject({ code: 'LOG_TRUNCATED', where: 't-3@339' })
    },
  )

  test('is the same with the last record where it stood, whatever the leader says of its epochs', async () => {
    const { mark, checked } = afterReading('same')
    expect(await checked).toEqual(new Map())
    expect(mark.checkedEpoch).toBe(11)
  })

  test('is looked at again while nothing can be seen where the last record stood', async () => {
    const { mark, checked } = afterReading('nothing yet')
    expect([...(await checked).keys()]).toEqual(['t-3'])
    expect(mark.checkedEpoch).toBe(10)
  })

  test('is left to the leader after it, from which it was read on while this one was asked', async () => {
    const { brokers, elect } = clusterOf('nothing')
    const mark = { ...HERE, nextOffset: 330, ...initialLogMark('t', 3, brokers), readEpoch: 10 }
    elect(11)
    const checked = checkLogs(brokers, '1', [mark])
    elect(12)
    Object.assign(mark, { nextOffset: 400, readEpoch: 12, checkedEpoch: 12 })
    expect(await checked).toEqual(new Map())
    expect(mark.checkedEpoch).toBe(12)
  })

  test('is looked at under the epoch of its leader: a follower may lack what others have', async () => {
    const { brokers, elect, asked } = clusterOf('same')
    const mark = { ...HERE, nextOffset: 339, ...initialLogMark('t', 3, brokers), readEpoch: 10 }
    elect(11)
    await checkLogs(brokers, '1', [mark])
    expect(asked).toEqual(['OffsetForLeaderEpoch 11', 'Fetch 11'])
  })

  test('is not judged by an epoch that this client happened to know when it began to read', async () => {
    const { brokers, elect } = clusterOf('another')
    // The records from 336 on, which others have read and committed, are of epoch 11, of which no
    // broker has told yet.
    const mark: LogMark = { ...HERE, nextOffset: 339, ...initialLogMark('t', 3, brokers) }
    elect(12)
    expect(await checkLogs(brokers, '1', [mark])).toEqual(new Map())
    expect(mark.checkedEpoch).toBe(12)
  })
})
