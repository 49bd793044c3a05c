import { describe, expect } from 'vitest'
import { until } from '../../services/cluster.ts'
import { API } from '../../services/faulty-wire.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
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
