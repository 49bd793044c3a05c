import { describe, expect, test } from 'vitest'
import type { Brokers } from '../../src/records/kafka/brokers.ts'
import { markOf } from '../../src/records/kafka/fetcher.ts'
import { checkLogs, type LogMark } from '../../src/records/kafka/log-check.ts'
import type { EpochEnd } from '../../src/records/kafka/wire/log-ends.ts'
import { thrownBy } from '../support/thrown.ts'

const HERE = { topic: 't', partition: 3 }

/** A cluster whose leader of the partition has the newest of these epochs, and the log up to 336 for those before it. */
function clusterOf() {
  let epoch = 10
  const brokers = {
    idOf: () => 'an id',
    leaderEpochOf: () => epoch,
    ask: async (): Promise<EpochEnd[]> => [{ ...HERE, code: 0, epoch: 10, endOffset: 336 }],
  } as unknown as Brokers
  const elect = (newest: number) => {
    epoch = newest
  }
  return { brokers, elect }
}

describe('a log under a new leader', () => {
  test('is another one where it ends, for what was read, before what was read', async () => {
    const { brokers, elect } = clusterOf()
    const mark: LogMark = {
      ...{ ...HERE, nextOffset: 339 },
      ...{ ...markOf('t', 3, brokers), readEpoch: 10 },
    }
    elect(11)
    expect(await thrownBy(checkLogs(brokers, '1', [mark]))).toMatchObject({
      code: 'LOG_TRUNCATED',
      where: 't-3@339',
    })
  })

  test('is not judged by an epoch that this client happened to know when it began to read', async () => {
    const { brokers, elect } = clusterOf()
    // The records from 336 on, which others have read and committed, are of epoch 11, of which no broker has told yet.
    const mark: LogMark = { ...HERE, nextOffset: 339, ...markOf('t', 3, brokers) }
    elect(12)
    expect(await checkLogs(brokers, '1', [mark])).toEqual(new Map())
    expect(mark.checkedEpoch).toBe(12)
  })
})
