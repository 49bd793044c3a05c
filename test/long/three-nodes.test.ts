import { logLevel } from 'kafkajs'
import { expect, onTestFinished } from 'vitest'
import { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { clientConfig } from '../../src/connect/kafka/client/options.ts'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { type DescribeTopics, Producer } from '../../src/connect/kafka/produce/producer.ts'
import { Transactions } from '../../src/connect/kafka/produce/transactions.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { join, open, write } from '../integration/connect/joined.ts'
import {
  commitUntilTaken,
  expectNoneOpen,
  transacting,
} from '../integration/connect/transacting.ts'
import { coordinatorOf, metadataOf, until } from '../services/cluster.ts'
import { API, FaultyWire } from '../services/faulty-wire.ts'
import type { OwnKafka } from '../services/from-maven.ts'
import { freshName, plainOptions } from '../services/kafka.ts'
import { freshKafkaTests } from '../services/own-kafka.ts'
import { createTopics } from '../services/topics.ts'
import { thrownBy } from '../support/thrown.ts'

// A Kafka of three nodes, of which some die, hang, or come back with less than they had.

/** Much less than it takes to give a node up, ms. */
const SOON_MS = 5_000
const NONE: DescribeTopics = async () => new Map()

freshKafkaTests(
  (kafkaTest) => {
    kafkaTest(
      'a log that was cut back by an unclean election ends the member, though the new leader has the offset that comes next',
      async (kafka) => {
        const { service, node, inSync } = kafka
        const [topic, group] = [freshName('topic'), freshName('group')]
        const config = { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' }
        await createTopics(service, open(service), [
          { name: topic, partitions: 1, replicas: 2, config },
        ])
        const { leader, other, third } = await rolesOf(kafka, topic)
        const { member, heard } = await join(open(service), group, topic)
        await write(service, { topic, partitions: [0] }, 'both')
        await heard.until(() => heard.values().length === 1)

        node(other).kill()
        await until(
          'alone',
          async () => (await stateOf(node(leader).address, topic)).inSync.length === 1,
        )
        await write(
          { ...service, brokers: [node(leader).address] },
          { topic, partitions: [0, 0, 0] },
          'one',
        )
        await heard.until(() => heard.values().length === 4)
        const here = { topic, partition: 0 }
        member.pause(here)
        node(leader).kill()
        await node(other).restart()
        const isElected = async () => (await stateOf(node(third).address, topic)).leader === other
        await until('elected', isElected)
        const left = { ...service, brokers: [node(other).address, node(third).address] }
        await write(left, { topic, partitions: [0, 0, 0, 0, 0] }, 'other')
        member.resume(here)
        expect(await heard.fails()).toMatchObject({ code: 'LOG_TRUNCATED', where: `${topic}-0@4` })
        expect(heard.values()).toEqual(['both', 'one', 'one', 'one'])
        await node(leader).restart()
        await inSync()
      },
    )

    kafkaTest(
      'a coordinator of transactions that is dead is found in another place while it is away, though it was told as before when it was asked for again',
      async ({ service, node, inSync }) => {
        const config = clientConfig({ brokers: service.brokers })
        const brokers = new Brokers({ ...config, logLevel: logLevel.NOTHING })
        onTestFinished(() => brokers.close())
        await brokers.connect()
        const transactionalId = freshName('id')
        const transactions = new Transactions(brokers, new Producer(brokers, NONE), transactionalId)
        await transactions.initialise()
        const first = (await coordinatorOf(service.brokers[0] as string, { transactionalId })) ?? 0
        node(first).kill()
        expect(await thrownBy(transactions.initialise())).toBeInstanceOf(TidemarkError)
        const hasBegun = async () => {
          await transactions.initialise()
          return true
        }
        await until('another coordinator', hasBegun)
        await node(first).restart()
        await inSync()
      },
    )

    kafkaTest(
      'a node that dies in the middle of a transaction as leader of the outputs, as coordinator of the group, as coordinator of the transactions: another takes its place',
      async (kafka) => {
        const set = await transacting(kafka)
        const { member, heard } = await set.join()
        for (const node of kafka.nodes) {
          const before = (await set.published()).length
          const held = set.wire.hold(API.produce)
          const committing = commitUntilTaken(member, () => set.commitOf(heard, before + 1))
          await held.happened
          node.kill()
          held.release()
          await committing
          await commitUntilTaken(member, () => set.commitOf(heard, before + 2))
          await node.restart()
          await kafka.inSync()
        }
        expect(await set.published()).toEqual(['0/1', '0/2', '0/3', '0/4', '0/5', '0/6'])
        await expectNoneOpen(set)
      },
    )

    kafkaTest('a node that hangs holds up nobody who asks what others know', async (kafka) => {
      const wire = await FaultyWire.before(kafka)
      const records = new KafkaRecords({ ...plainOptions(kafka.service), brokers: wire.brokers })
      onTestFinished(() => records.close())
      const topic = freshName('topic')
      await createTopics(kafka.service, records, [{ name: topic, partitions: 1 }])
      for (const { id } of kafka.nodes) {
        const release = wire.node(id).hang()
        const startMs = performance.now()
        await records.describe([topic])
        expect(performance.now() - startMs).toBeLessThan(SOON_MS)
        release()
      }
    })

    // The last, because until its node is back nobody else comes up.
    kafkaTest(
      'a partition without a leader is told of, and holds up none of the others: neither for its owner, nor for who joins, nor after a rebalance',
      async ({ service, node }) => {
        const [topic, group] = [freshName('topic'), freshName('group')]
        await createTopics(service, open(service), [{ name: topic, partitions: 6, replicas: 1 }])
        const all = [0, 1, 2, 3, 4, 5]
        const { partitions } = await metadataOf(service.brokers[0] as string)
        const victim = partitions.find((p) => p.topic === topic && p.partition === 0)?.leader ?? 0
        const unled = partitions
          .flatMap((p) => (p.topic === topic && p.leader === victim ? [p.partition] : []))
          .toSorted((a, b) => a - b)
        const led = all.filter((p) => !unled.includes(p))
        expect(led).not.toEqual([])
        const first = await join(open(service), group, topic)
        await write(service, { topic, partitions: all }, 'before')
        await first.heard.until(() => all.every((p) => first.heard.values(p).length === 1))

        node(victim).kill()
        const lost = unled.map((partition) => ({ topic, partition, reason: expect.any(String) }))
        // One after the other, each when it has not been read for long enough.
        await first.heard.until(() => first.heard.unreadables.at(-1)?.length === unled.length)
        const told = first.heard.unreadables.at(-1) ?? []
        expect(told.toSorted((a, b) => a.partition - b.partition)).toEqual(lost)
        const alive = { ...service, brokers: service.brokers.filter((_, i) => i !== victim - 1) }
        await write(alive, { topic, partitions: led }, 'alone')
        await first.heard.until(() => led.every((p) => first.heard.values(p).includes('alone')))

        const second = await join(open(alive), group, topic)
        const heard = (p: number, value: string) =>
          first.heard.values(p).includes(value) || second.heard.values(p).includes(value)
        await write(alive, { topic, partitions: led }, 'shared')
        await first.member.leave()
        await second.heard.until(() => led.every((p) => heard(p, 'shared')))
        await second.heard.until(() => second.heard.unreadables.at(-1)?.length === unled.length)
        await write(alive, { topic, partitions: led }, 'after')
        await second.heard.until(() => led.every((p) => second.heard.values(p).includes('after')))

        await node(victim).restart()
        await second.heard.until(() => second.heard.unreadables.at(-1)?.length === 0)
        await write(service, { topic, partitions: unled }, 'back')
        await second.heard.until(() => unled.every((p) => second.heard.values(p).includes('back')))
      },
    )
  },
  { nodes: 3 },
)

async function stateOf(address: string, topic: string) {
  const { partitions } = await metadataOf(address)
  const state = partitions.find((p) => p.topic === topic)
  if (state === undefined) throw new Error(`${topic} is not known`)
  return state
}

async function rolesOf({ service, nodes }: OwnKafka, topic: string) {
  const { leader, replicas } = await stateOf(service.brokers[0] as string, topic)
  const other = replicas.find((id) => id !== leader) ?? 0
  const third = nodes.map(({ id }) => id).find((id) => !replicas.includes(id)) ?? 0
  return { leader, other, third }
}
