import { Kafka, logLevel } from 'kafkajs'
import { describe, expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import {
  ABORT,
  COMMIT,
  ended,
  foreignProducer,
  interleave,
  openTransactions,
} from '../services/foreign.ts'
import { freshName, type KafkaService, kafkaTest, plainOptions } from '../services/kafka.ts'
import { committedIn, rawLog } from '../services/raw-log.ts'
import { createTopics } from '../services/topics.ts'

async function partitionOn(kafka: KafkaService) {
  const records = new KafkaRecords(plainOptions(kafka))
  const topic = freshName('topic')
  await createTopics(kafka, records, [{ name: topic, partitions: 1 }])
  await records.close()
  return { topic, partition: 0 }
}

const at = (log: Awaited<ReturnType<typeof rawLog>>) =>
  log.batches.map(({ baseOffset, marker, records: [record] }) => [
    baseOffset,
    marker ?? record?.value,
  ])

describe('transactions of others', () => {
  kafkaTest('overlap as they were told to, and what was aborted does not count', async (kafka) => {
    const partition = await partitionOn(kafka)
    await interleave(kafka, partition, [
      ['one', 'a'],
      ['two', 'b'],
      ['one', 'c'],
      ['two', ABORT],
      ['two', 'd'],
      ['one', ABORT],
      ['two', COMMIT],
    ])
    const log = await rawLog(kafka, partition, 'readUncommitted')
    expect(at(log)).toEqual([
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
      [3, 'abort'],
      [4, 'd'],
      [5, 'abort'],
      [6, 'commit'],
    ])
    expect(committedIn(log)).toEqual([{ offset: 4, key: 'two', value: 'd' }])
    expect(log.lastStableOffset).toBe(7)
  })

  kafkaTest('one that is open is listed, and hides what follows it', async (kafka) => {
    const partition = await partitionOn(kafka)
    const id = freshName('open')
    const transaction = await (await foreignProducer(kafka, id)).transaction()
    await transaction.send({ topic: partition.topic, messages: [{ value: 'open' }] })
    await interleave(kafka, partition, [
      ['after', 'hidden'],
      ['after', COMMIT],
    ])
    expect(await openTransactions(kafka)).toContain(id)
    expect((await rawLog(kafka, partition, 'readCommitted')).batches).toEqual([])
    const all = await rawLog(kafka, partition, 'readUncommitted')
    expect([all.lastStableOffset, all.highWatermark]).toEqual([0, 3])
    expect(committedIn(all).map(({ value }) => value)).toEqual(['hidden'])
    await transaction.abort()
    await ended(kafka, id)
    expect(await openTransactions(kafka)).not.toContain(id)
    expect((await rawLog(kafka, partition, 'readCommitted')).lastStableOffset).toBe(4)
  })

  kafkaTest('what is of no transaction counts', async (kafka) => {
    const partition = await partitionOn(kafka)
    const producer = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    await producer.send({ topic: partition.topic, messages: [{ value: 'x' }, { value: 'y' }] })
    await producer.disconnect()
    const { batches } = await rawLog(kafka, partition, 'readCommitted')
    expect(batches).toMatchObject([{ baseOffset: 0, lastOffset: 1, producerId: -1 }])
    expect(batches[0]?.records.map(({ value }) => value)).toEqual(['x', 'y'])
  })
})
