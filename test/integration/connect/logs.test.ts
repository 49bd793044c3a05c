import { describe, expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { Listener, record } from '../../connect/listener.ts'
import { ABORT, COMMIT, interleave } from '../../services/foreign.ts'
import { freshName, type KafkaService, kafkaTest, plainOptions } from '../../services/kafka.ts'
import { rawLog } from '../../services/raw-log.ts'
import { produceRaw } from '../../services/raw-produce.ts'
import { createTopics } from '../../services/topics.ts'
import { encodeBatches, NO_PRODUCER } from '../../support/batches.ts'

// Logs as others leave them: transactions that overlap, markers, batches of which nothing is left,
// and large ones.

/** A member of a new group on a topic of one partition. */
async function reading(kafka: KafkaService, topic: string): Promise<Listener> {
  const records = new KafkaRecords(plainOptions(kafka))
  onTestFinished(() => records.close())
  const heard = new Listener()
  const group = freshName('group')
  await records.join({ group, topics: [topic], from: 'earliest', handlers: heard })
  return heard
}

async function newTopic(kafka: KafkaService, config = {}): Promise<string> {
  const records = new KafkaRecords(plainOptions(kafka))
  const name = freshName('topic')
  await createTopics(kafka, records, [{ name, partitions: 1, config }])
  await records.close()
  return name
}

describe('a log that others have written', () => {
  kafkaTest(
    'aborted transactions of two producers that overlap are left out, each of its own',
    async (kafka) => {
      const topic = await newTopic(kafka)
      await interleave(kafka, { topic, partition: 0 }, [
        ...([
          ['a', 'a1'],
          ['b', 'b1'],
          ['a', 'a2'],
        ] as const),
        ...([
          ['b', ABORT],
          ['b', 'b2'],
          ['a', ABORT],
        ] as const),
        ...([
          ['a', 'a3'],
          ['b', COMMIT],
          ['a', COMMIT],
        ] as const),
      ])
      const heard = await reading(kafka, topic)
      await heard.until(() => heard.hasReached(9))
      expect(heard.values()).toEqual(['b2', 'a3'])
    },
  )

  kafkaTest('a log that ends with what was aborted is read to its end', async (kafka) => {
    const topic = await newTopic(kafka)
    const at = { topic, partition: 0 }
    await interleave(kafka, at, [
      ['a', 'kept'],
      ['a', COMMIT],
      ['b', 'gone'],
      ['b', ABORT],
    ])
    const heard = await reading(kafka, topic)
    await heard.until(() => heard.hasReached(4))
    expect(heard.values()).toEqual(['kept'])
  })

  kafkaTest(
    'a log of which a reader gets nothing but its markers is read to its end',
    async (kafka) => {
      const topic = await newTopic(kafka)
      await interleave(kafka, { topic, partition: 0 }, [
        ['a', 'gone'],
        ['a', ABORT],
      ])
      const heard = await reading(kafka, topic)
      await heard.until(() => heard.hasReached(2))
      await interleave(kafka, { topic, partition: 0 }, [
        ['b', 'gone'],
        ['b', ABORT],
        ['b', 'kept'],
        ['b', COMMIT],
      ])
      await heard.until(() => heard.hasReached(6))
      expect(heard.values()).toEqual(['kept'])
    },
  )

  kafkaTest('what stands behind an open transaction comes when that is ended', async (kafka) => {
    const topic = await newTopic(kafka)
    const at = { topic, partition: 0 }
    const heard = await reading(kafka, topic)
    await interleave(kafka, at, [
      ['a', 'a1'],
      ['b', 'b1'],
      ['b', COMMIT],
      ['a', COMMIT],
    ])
    await heard.until(() => heard.hasReached(4))
    expect(heard.values()).toEqual(['a1', 'b1'])
  })

  kafkaTest('a batch of 120,000 records is read whole', async (kafka) => {
    const count = 120_000
    const topic = await newTopic(kafka, { 'max.message.bytes': '8000000' })
    // Our own writer would make many of them.
    const one = record(topic, { key: null, value: Buffer.from('x') })
    const room = { maxBytes: 8_000_000, producer: NO_PRODUCER, compression: 'none' } as const
    const [batch] = encodeBatches(
      Array.from({ length: count }, () => one),
      room,
    )
    await produceRaw(kafka, { topic, partition: 0 }, batch?.bytes ?? Buffer.alloc(0))
    const { batches } = await rawLog(kafka, { topic, partition: 0 }, 'readUncommitted')
    expect(batches.map(({ records: of }) => of.length)).toEqual([count])
    const heard = await reading(kafka, topic)
    await heard.until(() => heard.hasReached(count))
    expect(heard.values()).toHaveLength(count)
    expect([...(heard.chunks.at(-1)?.records ?? [])].at(-1)?.offset).toBe(count - 1)
  })
})
