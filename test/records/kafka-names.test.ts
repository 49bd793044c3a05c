import { describe, expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { API } from '../services/faulty-wire.ts'
import { ownKafkaTests } from '../services/own-kafka.ts'
import { thrownBy } from '../support/thrown.ts'
import { Listener } from './listener.ts'
import { transacting } from './transacting.ts'

describe('a worker with a name of its own', () => {
  ownKafkaTests((kafkaTest) => {
    kafkaTest('is no other than itself where the answer to its joining was lost', async (kafka) => {
      const set = await transacting(kafka)
      const records = new KafkaRecords({
        ...{ brokers: set.wire.brokers, workerName: 'w1', sessionTimeoutMs: 6_000 },
      })
      onTestFinished(() => records.close())
      const join = (heard: Listener) =>
        records.join({ group: set.group, topics: [set.topic], from: 'earliest', handlers: heard })
      // The first answer tells the member's id, with the second one it is in.
      set.wire.loseReply(API.joinGroup, { nth: 2 })
      expect((await thrownBy(join(new Listener()))).code).toBe('BROKER_UNAVAILABLE')
      const heard = new Listener()
      const member = await join(heard)
      await member.commit(set.commitOf(heard, 1))
      expect(await set.published()).toEqual(['0/1'])
      expect(await set.memberIds()).toHaveLength(1)
    })
  })
})
