import { describe, expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { Listener } from '../../connect/listener.ts'
import { until } from '../../services/cluster.ts'
import { API } from '../../services/faulty-wire.ts'
import { freshName, kafkaTest, plainOptions } from '../../services/kafka.ts'
import { mute } from '../../services/mute.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { createTopics } from '../../services/topics.ts'
import { transacting } from './transacting.ts'

// Brokers that take connections and answer nothing: stopped, without memory, or behind a link that
// swallows all.

/** Much less than it takes to give one of them up, ms. */
const SOON_MS = 5_000

/** How long it takes, ms. */
async function durationOf(work: Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work
  return performance.now() - startMs
}

describe('a broker that hangs', () => {
  kafkaTest(
    'holds up nobody who has another one named, though it is named first',
    async (kafka) => {
      const options = { ...plainOptions(kafka), brokers: [await mute(), ...kafka.brokers] }
      const records = new KafkaRecords(options)
      onTestFinished(() => records.close())
      const topic = freshName('topic')
      expect(await durationOf(records.describe([topic]))).toBeLessThan(SOON_MS)
      await createTopics(kafka, records, [{ name: topic, partitions: 1 }])
      const heard = new Listener()
      const joining = records.join({
        ...{ group: freshName('group'), topics: [topic], from: 'earliest', handlers: heard },
      })
      const joinedMs = await durationOf(joining)
      await (await joining).leave()
      expect(joinedMs).toBeLessThan(SOON_MS)
    },
  )

  ownKafkaTest('gives nothing more to a member that leaves meanwhile', async (kafka) => {
    const set = await transacting(kafka, 2)
    const { member: other } = await set.join()
    const { member, heard } = await set.join()
    const ends = set.wire.holdReply(API.listOffsets)
    const goodbye = set.wire.hold(API.leaveGroup, { nth: 2 })
    await other.leave()
    await ends.happened
    const before = heard.assignments.length
    const leaving = member.leave()
    await goodbye.happened
    const asked = set.wire.passed.length
    ends.release()
    // The member still asks how far the partition reaches, and is answered.
    await until('answered', async () => set.wire.passed.length > asked)
    goodbye.release()
    await leaving
    expect(heard.assignments).toHaveLength(before)
  })
})
