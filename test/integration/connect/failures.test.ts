import { createServer } from 'node:net'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { Listener, record } from '../../connect/listener.ts'
import {
  freshName,
  type KafkaService,
  kafkaTest,
  plainOptions,
  readTopic,
} from '../../services/kafka.ts'
import { rawLog } from '../../services/raw-log.ts'
import { createTopics } from '../../services/topics.ts'
import { COMPRESSION_NUMBERS, WRITABLE } from '../../support/compressions.ts'
import { thrownBy } from '../../support/thrown.ts'

// Work of a real broker only: compression, transactions, retention; and what happens without one.

async function setUp(kafka: KafkaService, config: Record<string, string> = {}) {
  const records = new KafkaRecords(plainOptions(kafka))
  const topic = freshName('topic')
  await createTopics(kafka, records, [{ name: topic, partitions: 1, config }])
  const writer = records.writer()
  const close = async () => {
    await writer.close()
    await records.close()
  }
  const library = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING })
  return { records, topic, writer, close, library, group: freshName('group') }
}

describe('a broker that is not there', () => {
  const options = { brokers: ['127.0.0.1:1'] }

  test('is told within seconds', async () => {
    const records = new KafkaRecords(options)
    const startMs = performance.now()
    expect((await thrownBy(records.describe(['t']))).code).toBe('BROKER_UNAVAILABLE')
    const join = records.join({
      group: 'g',
      topics: ['t'],
      from: 'earliest',
      handlers: new Listener(),
    })
    expect((await thrownBy(join)).code).toBe('BROKER_UNAVAILABLE')
    expect((await thrownBy(records.writer().write([record('t')]))).code).toBe('BROKER_UNAVAILABLE')
    // All three: with the retries that the library has by default each would take 5 s.
    expect(performance.now() - startMs).toBeLessThan(12_000)
    await records.close()
  })

  test('is told within seconds when it never answers; closing ends what is still asked', async () => {
    const hungUp: Promise<unknown>[] = []
    const mute = createServer((socket) => {
      socket.resume().on('error', () => {})
      hungUp.push(new Promise((resolve) => socket.once('close', resolve)))
    })
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as { port: number }
    const records = new KafkaRecords({ brokers: [`127.0.0.1:${port}`] })
    const error = await thrownBy(records.describe(['t']))
    expect(error.code).toBe('BROKER_UNAVAILABLE')
    expect(error.message).toContain('5000 ms')
    await records.close()
    expect(hungUp).not.toEqual([])
    await Promise.all(hungUp)
    await new Promise((resolve) => mute.close(resolve))
  }, 20_000)
})

describe('on a real broker', () => {
  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd']) {
    kafkaTest(`${compression} input is read`, async (kafka) => {
      const { records, topic, writer, group, close } = await setUp(kafka, {
        'compression.type': compression,
      })
      await writer.write(['a', 'b'].map((value) => record(topic, { value: Buffer.from(value) })))
      const heard = new Listener()
      await records.join({ group, topics: [topic], from: 'earliest', handlers: heard })
      await heard.until(() => heard.hasReached(2))
      expect(heard.values()).toEqual(['a', 'b'])
      await close()
    })
  }

  for (const compression of WRITABLE) {
    kafkaTest(`what is written with ${compression} is what the broker unpacks`, async (kafka) => {
      const { records, topic, writer, group, close } = await setUp(kafka)
      const [kept, unpacked] = [freshName('kept'), freshName('unpacked')]
      // Java's code unpacks what comes for a topic of another compression.
      const config = { 'compression.type': 'uncompressed' }
      await createTopics(kafka, records, [
        { name: kept, partitions: 1 },
        { name: unpacked, partitions: 1, config },
      ])
      await writer.write([record(topic)])
      const heard = new Listener()
      const member = await records.join({
        group,
        topics: [topic],
        from: 'earliest',
        // Without markers, which may be written after the commit.
        guarantee: 'at-least-once',
        compressionOf: () => compression,
        handlers: heard,
      })
      await heard.until(() => heard.hasReached(1))
      const values = Array.from({ length: 3_000 }, (_, i) => `output ${i}`.padEnd(100))
      const outputs = [kept, unpacked].flatMap((to) =>
        values.map((value) => record(to, { value: Buffer.from(value) })),
      )
      const nextOffsets = [{ ...heard.assignment(), nextOffset: 1, metadata: '' }]
      await member.commit({ outputs, deadLetters: [], nextOffsets })
      const read = async (of: string) =>
        (await rawLog(kafka, { topic: of, partition: 0 }, 'readCommitted')).batches
      const byJava = (await read(unpacked)).flatMap((batch) => batch.records)
      expect(byJava.map(({ value }) => value)).toEqual(values)
      const compressions = (await read(kept)).map((batch) => batch.compression)
      expect(new Set(compressions)).toEqual(new Set([COMPRESSION_NUMBERS[compression]]))
      expect((await readTopic(records, kept)).map(({ value }) => String(value))).toEqual(values)
      await close()
    })
  }

  kafkaTest(
    'records deleted before they were read end the member; its offset stays',
    async (kafka) => {
      const { records, topic, writer, group, close, library } = await setUp(kafka)
      // More than what is fetched at once.
      const value = Buffer.alloc(500_000)
      await writer.write(Array.from({ length: 7 }, () => record(topic, { value })))
      const here = { topic, partition: 0 }
      let isHeldUp = true
      const heard = new Listener(() => {
        if (isHeldUp) member.pause(here)
      })
      const member = await records.join({
        group,
        topics: [topic],
        from: 'earliest',
        handlers: heard,
      })
      await heard.until(() => heard.chunks.length > 0)
      const offset = { ...heard.assignment(), nextOffset: 1, metadata: '' }
      await member.commit({ outputs: [], deadLetters: [], nextOffsets: [offset] })
      const admin = library.admin()
      await admin.connect()
      // The library deletes only where it has read the topic's metadata before.
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] })
      isHeldUp = false
      member.resume(here)
      expect(await heard.fails()).toMatchObject({
        code: 'OFFSET_OUT_OF_RANGE',
        where: `${topic}-0@${heard.chunks.at(-1)?.nextOffset}`,
      })
      await member.leave()
      const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      expect(committed?.partitions[0]?.offset).toBe('1')
      const again = records.join({
        group,
        topics: [topic],
        from: 'earliest',
        handlers: new Listener(),
      })
      const error = await thrownBy(again)
      expect(error).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
      expect(error.message).toContain('committed offset 1, but the log holds 7 to 7')
      await admin.disconnect()
      await close()
    },
  )

  kafkaTest(
    'aborted records are left out, and the end is reached past control records',
    async (kafka) => {
      const { records, topic, group, close, library } = await setUp(kafka)
      const producer = library.producer({
        transactionalId: freshName('tx'),
        maxInFlightRequests: 1,
      })
      await producer.connect()
      const heard = new Listener()
      await records.join({ group, topics: [topic], from: 'earliest', handlers: heard })
      const write = async (value: string, end: 'commit' | 'abort') => {
        const transaction = await producer.transaction()
        await transaction.send({ topic, messages: [{ value }, { value }] })
        await transaction[end]()
      }
      await write('kept', 'commit')
      await heard.until(() => heard.hasReached(3))
      await write('aborted', 'abort')
      await heard.until(() => heard.hasReached(6))
      await write('kept', 'commit')
      await heard.until(() => heard.hasReached(9))
      expect(heard.values()).toEqual(['kept', 'kept', 'kept', 'kept'])
      expect(heard.chunks.at(-1)?.nextOffset).toBe(9)
      await producer.disconnect()
      await close()
    },
  )

  kafkaTest("a topic's limits are read, and a record over them is refused", async (kafka) => {
    const { records, topic, writer, close } = await setUp(kafka, {
      'max.message.bytes': '2000',
      'segment.bytes': '1048576',
      'message.timestamp.type': 'LogAppendTime',
      'message.timestamp.after.max.ms': '60000',
      'retention.ms': '86400000',
    })
    const infos = await records.describe([topic])
    expect(infos.get(topic)).toEqual({
      name: topic,
      id: expect.any(String),
      partitions: 1,
      maxMessageBytes: 2_000,
      segmentBytes: 1_048_576,
      timestampType: 'LogAppendTime',
      timestampAfterMaxMs: 60_000,
      timestampBeforeMaxMs: 2 ** 63,
      isCompacted: false,
      isTrimmed: true,
      retentionMs: 86_400_000,
    })
    const sending = writer.write([record(topic, { value: Buffer.alloc(3_000) })])
    expect((await thrownBy(sending)).code).toBe('TOPIC_LIMITS')
    await close()
  })

  kafkaTest('closing gives up a join for which the group is not ready', async (kafka) => {
    const { records, topic, writer, group, close, library } = await setUp(kafka)
    await writer.write([record(topic)])
    // A member that is busy with a record keeps the others waiting.
    const busy = library.consumer({ groupId: group })
    await busy.connect()
    await busy.subscribe({ topics: [topic], fromBeginning: true })
    let release = () => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    const taken = new Promise<void>((resolve) => {
      const eachMessage = () => {
        resolve()
        return released
      }
      void busy.run({ eachMessage })
    })
    await taken
    const joining = thrownBy(
      records.join({ group, topics: [topic], from: 'earliest', handlers: new Listener() }),
    )
    const admin = library.admin()
    await admin.connect()
    for (let state = ''; state !== 'PreparingRebalance'; ) {
      const { groups } = await admin.describeGroups([group])
      state = groups[0]?.state ?? ''
    }
    await close()
    expect((await joining).code).toBe('FENCED')
    release()
    await admin.disconnect()
    await busy.disconnect()
  })

  kafkaTest('a handler that throws ends the member', async (kafka) => {
    const { records, topic, writer, group, close } = await setUp(kafka)
    await writer.write([record(topic)])
    const heard = new Listener(() => {
      throw new Error('handler')
    })
    await records.join({ group, topics: [topic], from: 'earliest', handlers: heard })
    expect(await heard.fails()).toMatchObject({ code: 'INVARIANT', message: 'handler' })
    await close()
  })

  kafkaTest(
    'reading from the end gives what comes afterwards, and leaves no group behind',
    async (kafka) => {
      const { records, topic, writer, close, library } = await setUp(kafka)
      await writer.write([record(topic, { value: Buffer.from('old') })])
      const reader = await records.read({ topic, from: 'latest', until: 'closed' })

      await writer.write([record(topic, { value: Buffer.from('new') })])
      const values: string[] = []
      for await (const chunk of reader) {
        values.push(...Array.from(chunk.records, (r) => String(r.value)))
        break
      }
      expect(values).toEqual(['new'])
      const admin = library.admin()
      await admin.connect()
      const { groups } = await admin.listGroups()
      await admin.disconnect()
      expect(groups.filter((g) => g.groupId.includes(topic))).toEqual([])
      await close()
    },
  )
})
