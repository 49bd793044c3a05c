import kafkajs, { logLevel } from 'kafkajs'
import { describe, expect, onTestFinished } from 'vitest'
import { Brokers } from '../../../src/connect/kafka/client/brokers.ts'
import { clientConfig } from '../../../src/connect/kafka/client/options.ts'
import { stickyAssigner } from '../../../src/connect/kafka/group/sticky-assigner.ts'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { freshName, type KafkaService, kafkaTest, plainOptions } from '../../services/kafka.ts'
import { createTopics } from '../../services/topics.ts'
import { thrownBy } from '../../support/thrown.ts'

// Topics that are asked for before they are there, or by several at once.

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

async function connected(kafka: KafkaService) {
  const options = plainOptions(kafka)
  const records = new KafkaRecords(options)
  const brokers = new Brokers({ ...clientConfig(options), logLevel: logLevel.NOTHING })
  onTestFinished(async () => {
    brokers.close()
    await records.close()
  })
  await brokers.connect()
  const make = (name: string) => createTopics(kafka, records, [{ name, partitions: 3 }])
  return { brokers, make }
}

describe('a topic', () => {
  kafkaTest('that was missing is known once it has been made', async (kafka) => {
    const { brokers, make } = await connected(kafka)
    const topic = freshName('topic')
    expect((await thrownBy(brokers.learn([topic]))).code).toBe('TOPIC_MISSING')
    await make(topic)
    await brokers.learn([topic])
    expect(brokers.map.partitionsOf(topic)).toEqual([0, 1, 2])
  })

  kafkaTest('is known to all who ask for it at once, whatever else they ask for', async (kafka) => {
    const { brokers, make } = await connected(kafka)
    const topic = freshName('topic')
    await make(topic)
    const failing = thrownBy(brokers.learn([topic, freshName('missing')]))
    await brokers.learn([topic])
    expect(brokers.map.partitionsOf(topic)).toEqual([0, 1, 2])
    expect((await failing).code).toBe('TOPIC_MISSING')
  })

  kafkaTest('that the leader of a group did not know is assigned the next time', async (kafka) => {
    const { brokers, make } = await connected(kafka)
    const [topic, other] = [freshName('topic'), freshName('other')]
    await make(topic)
    const claims = () => ({ generation: -1, owned: [], transactionalId: null, address: null })
    const assigner = stickyAssigner(claims, brokers)({} as never)
    const memberMetadata = MemberMetadata.encode({
      version: 0,
      topics: [topic, other],
      userData: Buffer.alloc(0),
    })
    const topicsAssigned = async () => {
      const members = [{ memberId: 'm', memberMetadata }]
      const [assigned] = await assigner.assign({ members, topics: [topic] })
      const assignment = MemberAssignment.decode(assigned?.memberAssignment as Buffer)
      return Object.keys(assignment?.assignment ?? {})
    }
    expect(await topicsAssigned()).toEqual([topic])
    await make(other)
    expect((await topicsAssigned()).toSorted()).toEqual([topic, other].toSorted())
  })
})
