import { describe, expect } from 'vitest'
import { until } from '../../services/cluster.ts'
import { API } from '../../services/faulty-wire.ts'
import { freshKafkaTests, ownKafkaTest } from '../../services/own-kafka.ts'
import { thrownBy } from '../../support/thrown.ts'
import { commitUntilTaken, expectNoneOpen, transacting } from './transacting.ts'

// Requests that a client has given up and its kernel still sends.

describe('a claim that arrives when another has been answered', () => {
  ownKafkaTest('does not set back what has been committed', async (kafka) => {
    const set = await transacting(kafka)
    const { member, heard } = await set.join()
    const held = set.wire.hold(API.offsetCommit)
    const failing = thrownBy(member.commit(set.commitOf(heard, 1)))
    const late = await held.happened
    expect((await failing).code).toBe('BROKER_UNAVAILABLE')
    await commitUntilTaken(member, () => set.commitOf(heard, 1))
    await expectNoneOpen(set)
    held.release()
    await until('answered', async () => late.answeredMs !== null)
    await set.reaches(1)
    expect(heard.losses).toEqual([])
  })
})

/** Brokers as before 3.6, which take a batch although its transaction is over. */
const OLD = {
  settings: { 'transaction.partition.verification.enable': 'false' },
  hasOldTransactions: true,
}

describe('what arrives when its transaction has been aborted', () => {
  freshKafkaTests((kafkaTest) => {
    for (const [api, name] of [
      [API.produce, 'a batch'],
      [API.txnOffsetCommit, 'an offset'],
    ] as const) {
      kafkaTest(`is not committed by the next one: ${name}`, async (kafka) => {
        const set = await transacting(kafka, 2)
        const { member, heard } = await set.join()
        for (const partition of [0, 1]) await member.commit(set.commitOf(heard, 1, partition))
        await expectNoneOpen(set)
        const held = set.wire.hold(api)
        const failing = thrownBy(member.commit(set.commitOf(heard, 5, 1)))
        const late = await held.happened
        expect((await failing).action).toBe('retry')
        await expectNoneOpen(set)
        held.release()
        await until('answered', async () => late.answeredMs !== null)
        await member.commit(set.commitOf(heard, 2))
        expect(await set.published()).toEqual(['0/1', '1/1', '0/2'])
        await set.reaches(2)
        await set.reaches(1, 1)
      })
    }
  }, OLD)
})
