import { expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { ABORT, COMMIT, ended, foreignProducer, interleave } from '../../services/foreign.ts'
import { freshName, kafkaTest, plainOptions } from '../../services/kafka.ts'
import { createTopics } from '../../services/topics.ts'
import { thrownBy } from '../../support/thrown.ts'

// Reading a partition to its end while transactions on it come to theirs.

kafkaTest(
  'what is aborted is not read, and an open transaction is waited for, but not forever',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    onTestFinished(() => records.close())
    const at = { topic: freshName('verdicts'), partition: 0 }
    await createTopics(kafka, records, [{ name: at.topic, partitions: 1 }])
    const values = async () => (await records.readAll(at)).map(({ value }) => String(value))
    await interleave(kafka, at, [
      ['a', '1'],
      ['b', '2'],
      ['b', ABORT],
      ['a', COMMIT],
    ])
    expect(await values()).toEqual(['1'])
    const id = freshName('open')
    const producer = await foreignProducer(kafka, id)
    const transaction = await producer.transaction()
    await transaction.send({ topic: at.topic, messages: [{ partition: 0, value: '3' }] })
    expect(await thrownBy(records.readAll(at))).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: `a transaction of another owner on ${at.topic}-0 has not been ended yet`,
    })
    const reading = values()
    await transaction.commit()
    expect(await reading).toEqual(['1', '3'])
    await ended(kafka, id)
  },
)
