import { connect, type Socket } from 'node:net'
import { type Admin, type ISocketFactory, Kafka, logLevel, type Producer } from 'kafkajs'
import { describe, expect, onTestFinished } from 'vitest'
import { API, FaultyWire } from '../services/faulty-wire.ts'
import type { OwnKafka } from '../services/from-maven.ts'
import { freshName } from '../services/kafka.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'

// By the library's own clients, which know nothing of ours.

interface Client {
  connect(): Promise<void>
  disconnect(): Promise<void>
}

async function connected<C extends Client>(client: C): Promise<C> {
  onTestFinished(() => client.disconnect())
  await client.connect()
  return client
}

function libraryClient({ brokers }: FaultyWire, socketFactory?: ISocketFactory): Kafka {
  const factory = socketFactory === undefined ? {} : { socketFactory }
  return new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 0 }, ...factory })
}

/** A wire, and clients at its end that ask nothing twice. */
async function setUp(kafka: OwnKafka) {
  const wire = await FaultyWire.before(kafka)
  const client = libraryClient(wire)
  const admin: Admin = await connected(client.admin())
  const topic = freshName('topic')
  await admin.createTopics({
    topics: [{ topic, replicationFactor: kafka.nodes.length }],
    waitForLeaders: false,
  })
  const producer: Producer = await connected(client.producer({ retry: { retries: 0 } }))
  const ends = async () => (await admin.fetchTopicOffsets(topic))[0]?.high
  // Until the leader of the young topic is known.
  while ((await ends().catch(() => null)) !== '0');
  const send = (value: string, acks = -1) => producer.send({ topic, acks, messages: [{ value }] })
  return { wire, client, admin, topic, send, ends }
}

describe('a faulty wire', () => {
  ownKafkaTest('tells what has passed, when it went on and when it was answered', async (kafka) => {
    const { wire, topic, send } = await setUp(kafka)
    const startMs = performance.now()
    await send('one')
    await send('two')
    const [one, two] = wire.passedOf(API.produce)
    const times = [startMs, one?.forwardedMs, one?.answeredMs, two?.forwardedMs, two?.answeredMs]
    expect(times).toEqual(times.toSorted((a, b) => Number(a) - Number(b)))
    expect(one).toMatchObject({ node: 1, api: 0, version: 7 })
    // No transactional id; all replicas; within 30 s; one topic.
    const name = Buffer.from([0, 0, 0, 1, 0, topic.length, ...Buffer.from(topic)])
    expect(one?.body.subarray(0, 8 + name.length)).toEqual(
      Buffer.concat([Buffer.from([255, 255, 255, 255, 0, 0, 0x75, 0x30]), name]),
    )
    expect(one?.bytes).toBeGreaterThan(80)
  })

  ownKafkaTest('a lost reply is of a request that the broker has taken', async (kafka) => {
    const { wire, send, ends } = await setUp(kafka)
    const lost = wire.loseReply(API.produce)
    await expect(send('taken')).rejects.toThrow(/connection/i)
    expect(await lost.happened).toMatchObject({ api: API.produce, answeredMs: null })
    expect(await ends()).toBe('1')
  })

  ownKafkaTest(
    'a request that is cut does not reach the broker; the next one does',
    async (kafka) => {
      const { wire, send, ends } = await setUp(kafka)
      const cut = wire.cut(API.produce)
      await expect(send('cut')).rejects.toThrow(/connection/i)
      expect(await cut.happened).toMatchObject({ forwardedMs: null })
      expect(await ends()).toBe('0')
      await send('next')
      expect(await ends()).toBe('1')
    },
  )

  ownKafkaTest(
    'only the nth request that is meant is held, until it is released',
    async (kafka) => {
      const { wire, send, ends } = await setUp(kafka)
      const held = wire.hold(API.produce, { nth: 2, where: (body) => body.includes('meant') })
      await send('meant')
      await send('another')
      const sending = send('meant')
      await held.happened
      expect(await ends()).toBe('2')
      held.release()
      await sending
      expect(await ends()).toBe('3')
    },
  )

  ownKafkaTest('a held request arrives even if its client is gone', async (kafka) => {
    const { wire, topic, ends } = await setUp(kafka)
    const sockets: Socket[] = []
    const client = libraryClient(wire, ({ host, port, onConnect }) => {
      const socket = connect({ host, port }, onConnect)
      sockets.push(socket)
      return socket
    })
    const producer = await connected(client.producer({ retry: { retries: 0 } }))
    const held = wire.hold(API.produce)
    const sending = producer.send({ topic, messages: [{ value: 'late' }] })
    const { connection } = await held.happened
    for (const socket of sockets) socket.destroy(new Error('gone'))
    await expect(sending).rejects.toThrow('gone')
    expect(await ends()).toBe('0')
    held.release()
    while ((await ends()) !== '1');
    expect(wire.passedOf(API.produce)).toMatchObject([{ connection }])
  })

  ownKafkaTest('a held reply is of a request that is done', async (kafka) => {
    const { wire, send, ends } = await setUp(kafka)
    const held = wire.holdReply(API.produce)
    let isAnswered = false
    const sending = send('held').finally(() => (isAnswered = true))
    expect((await held.happened).answeredMs).toBeNull()
    expect([await ends(), isAnswered]).toEqual(['1', false])
    held.release()
    await sending
  })

  ownKafkaTest('a broker that hangs takes connections and answers none', async (kafka) => {
    const { wire, client, send, ends } = await setUp(kafka)
    const release = wire.node(1).hang()
    let isAnswered = false
    const sending = send('hung').finally(() => (isAnswered = true))
    const joining = connected(client.admin()).then((admin) => admin.listTopics())
    const passed = wire.passed.length
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect([wire.passed.length, isAnswered]).toEqual([passed, false])
    release()
    await Promise.all([sending, joining])
    expect(await ends()).toBe('1')
  })

  ownKafkaTest('nobody reaches a broker that is down until it is up', async (kafka) => {
    const { wire, client, send } = await setUp(kafka)
    await wire.node(1).down()
    await expect(send('down')).rejects.toThrow(/connection/i)
    await expect(client.admin().connect()).rejects.toThrow('ECONNREFUSED')
    await wire.node(1).up()
    await (await connected(client.admin())).listTopics()
  })
})
