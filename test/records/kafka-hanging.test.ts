import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { FaultyWire } from '../services/faulty-wire.ts'
import { freshName, kafkaTest, plainOptions } from '../services/kafka.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { createTopics } from '../services/topics.ts'
import { Listener } from './listener.ts'

// Brokers that take connections and answer nothing: stopped, without memory, or behind a link that swallows all.

/** Much less than it takes to give one of them up, ms. */
const SOON_MS = 5_000

/** The address of somebody who takes connections and never says a word. */
async function mute(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

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
      expect(await durationOf(records.describeTopics([topic]))).toBeLessThan(SOON_MS)
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

  ownKafkaTest(
    'holds up nobody who asks what others know',
    async (kafka) => {
      const wire = await FaultyWire.before(kafka)
      const records = new KafkaRecords({ ...plainOptions(kafka.service), brokers: wire.brokers })
      onTestFinished(() => records.close())
      const topic = freshName('topic')
      await createTopics(kafka.service, records, [{ name: topic, partitions: 1 }])
      for (const { id } of kafka.nodes) {
        const release = wire.node(id).hang()
        expect(await durationOf(records.describeTopics([topic]))).toBeLessThan(SOON_MS)
        release()
      }
    },
    { nodes: 3 },
  )
})
