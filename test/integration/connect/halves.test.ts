import { describe, expect } from 'vitest'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { record } from '../../connect/listener.ts'
import { API } from '../../services/faulty-wire.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { commitUntilTaken, expectNoneOpen, transacting } from './transacting.ts'

// Connections that break in the middle of an answer: its first half is no part of what comes over
// the next one.

describe('a connection that breaks in the middle of an answer', () => {
  ownKafkaTest('is made again, and what is fetched goes on', async (kafka) => {
    const set = await transacting(kafka)
    const { heard } = await set.join()
    await heard.until(() => heard.values().length === 10)
    await set.wire.halveReply(API.fetch).happened
    const records = new KafkaRecords({ brokers: kafka.service.brokers })
    const writer = records.writer()
    await writer.write([record(set.topic, { value: Buffer.from('the next') })])
    await records.close()
    await heard.until(() => heard.values().length === 11)
    expect(heard.values().at(-1)).toBe('the next')
    expect(heard.losses).toEqual([])
  })

  const quick = ['produce', 'txnOffsetCommit', 'endTxn'] as const
  for (const api of quick) {
    ownKafkaTest(`is made again, and what is committed goes on: ${api}`, async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      await member.commit(set.commitOf(heard, 1))
      const { happened } = set.wire.halveReply(API[api])
      await commitUntilTaken(member, () => set.commitOf(heard, 2))
      await happened
      await member.commit(set.commitOf(heard, 3))
      await expectNoneOpen(set)
      expect(await set.published()).toEqual(['0/1', '0/2', '0/3'])
      await set.reaches(3)
    })
  }
})
