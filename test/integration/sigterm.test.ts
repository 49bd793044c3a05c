import { Kafka, logLevel } from 'kafkajs'
import { expect } from 'vitest'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { partitionOf } from '../../src/records/partitioner.ts'
import { paymentLines } from '../bench/payments.ts'
import { placeOfId } from '../golden/answers.ts'
import { freshName, type KafkaService, kafkaTest, plainOptions } from '../services/kafka.ts'
import { startTidemark } from '../services/tidemark.ts'

// A worker that is told to stop in the middle of its work, and the one that goes on after it.

const EVENTS = 100_000
const PARTITIONS = 6

type Places = Map<string, number>

kafkaTest(
  'SIGTERM under load ends with 0; nothing is lost and no offset is ahead of its output',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    const topics = {
      payments: freshName('payments'),
      predictions: freshName('predictions'),
      'payments.dlq': freshName('dead-letters'),
    }
    const group = freshName('sigterm')
    const brokers = ['--brokers', kafka.brokers.join(',')]
    const flags = Object.entries(topics).flatMap(([name, topic]) => ['--topic', `${name}=${topic}`])
    const run = () =>
      startTidemark(['run', 'topologies/card-fraud.ts', ...brokers, ...flags, '--group', group])
    try {
      const names = Object.values(topics)
      await records.createTopics(names.map((name) => ({ name, partitions: PARTITIONS })))
      const ends = await producePayments(records, topics.payments)

      const first = run()
      // The first chunks are through the model; thousands of events are on their way.
      await first.says('"msg":"dead letter"')
      first.process.kill('SIGTERM')
      expect(await first.ended).toMatchObject({ code: 0, signal: null })

      const committed = await committedOffsets(kafka, group, topics.payments)
      const done = await handled(records, topics)
      const stopped = sum(committed.values())
      expect(stopped, 'it was stopped before it was through').toBeLessThan(EVENTS)
      expect(aheadOfOutput(committed, done)).toEqual([])
      expect(done.size, 'all that was written was committed').toBe(stopped)

      const second = run()
      await allCommitted(kafka, group, { topic: topics.payments, ends })
      second.process.kill('SIGTERM')
      expect(await second.ended).toMatchObject({ code: 0, signal: null })
      const all = await handled(records, topics)
      expect(aheadOfOutput(ends, all)).toEqual([])
      expect([...all.values()].filter((times) => times !== 1)).toEqual([])
    } finally {
      await records.close()
    }
  },
)

/** @returns for each partition where it ends */
async function producePayments(records: KafkaRecords, topic: string): Promise<Map<number, number>> {
  const ends = new Map<number, number>()
  const inputs = [...paymentLines(EVENTS, 1)].map((line) => {
    const [key = '', value = ''] = line.split('\t')
    const partition = partitionOf({ partition: null, key: Buffer.from(key) }, PARTITIONS)
    ends.set(partition, (ends.get(partition) ?? 0) + 1)
    const bytes = { key: Buffer.from(key), value: Buffer.from(value) }
    return { topic, partition, ...bytes, timestampMs: Date.now(), headers: [] }
  })
  const writer = records.writer()
  await writer.send(inputs)
  await writer.close()
  return ends
}

/** How often each input record, `partition/offset`, was answered by an output or a dead letter. */
async function handled(
  records: KafkaRecords,
  topics: Readonly<Record<'predictions' | 'payments.dlq', string>>,
): Promise<Places> {
  const places: Places = new Map()
  for (const topic of [topics.predictions, topics['payments.dlq']]) {
    for await (const chunk of await records.read({ topic, from: 'start', until: 'end' })) {
      for (const { headers } of chunk.records) {
        const text = (name: string) => String(headers.find((h) => h.name === name)?.value)
        const id = headers.some((h) => h.name === 'tidemark-id')
        const { partition, offset } = id
          ? placeOfId(text('tidemark-id'))
          : {
              partition: text('__streams.errors.partition'),
              offset: text('__streams.errors.offset'),
            }
        const place = `${partition}/${offset}`
        places.set(place, (places.get(place) ?? 0) + 1)
      }
    }
  }
  return places
}

/** Records below an offset that nothing answers. */
function aheadOfOutput(offsets: ReadonlyMap<number, number>, done: Places): string[] {
  return [...offsets].flatMap(([partition, next]) =>
    Array.from({ length: next }, (_, offset) => `${partition}/${offset}`).filter(
      (p) => !done.has(p),
    ),
  )
}

async function committedOffsets(kafka: KafkaService, groupId: string, topic: string) {
  const client = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  try {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
    const known = found?.partitions.filter((p) => Number(p.offset) >= 0) ?? []
    return new Map(known.map((p) => [p.partition, Number(p.offset)]))
  } finally {
    await admin.disconnect()
  }
}

/** Asks again until the group has committed the whole topic. */
async function allCommitted(
  kafka: KafkaService,
  group: string,
  { topic, ends }: { topic: string; ends: ReadonlyMap<number, number> },
): Promise<void> {
  for (;;) {
    const committed = await committedOffsets(kafka, group, topic)
    if ([...ends].every(([partition, end]) => committed.get(partition) === end)) return
  }
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((a, b) => a + b, 0)
}
