import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import { addOutcomes, NO_OUTCOMES } from '../../src/runtime/output/outcomes.ts'
import { naiveBatch } from '../connect/codec/naive-batch.ts'
import { sums } from '../runtime/memory-workers.ts'
import { START_MS, Watch } from '../runtime/support.ts'
import { freshName, kafkaTest, plainOptions, readTopic } from '../services/kafka.ts'
import { produceRaw } from '../services/raw-produce.ts'
import { createTopics } from '../services/topics.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'

const GO_ZERO_MS = -62_135_596_800_000n
const MAX = 2n ** 63n - 1n
/** Timestamps as producers have written them, each in a batch of its own. */
const WRITTEN = [BigInt(START_MS), -1n, GO_ZERO_MS, -(2n ** 32n), 0n, MAX, -1n]
/** Indices that the guard refuses, because the events lie far after these timestamps. */
const FUTURE = [2, 3, 4]

kafkaTest(
  'a record of any timestamp that the broker takes is taken, also as the last one before a restart',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    const group = freshName('timestamps')
    const topics = ['events', 'sums', 'events.dlq'].map((name) => [name, freshName(name)] as const)
    const nameOf = new Map(topics)
    const config = { 'message.timestamp.after.max.ms': String(MAX) }
    await createTopics(
      kafka,
      records,
      [...nameOf.values()].map((name) => ({ name, partitions: 1, config })),
    )
    const source = { topic: nameOf.get('events') as string, partition: 0 }
    const prepared = await prepare([sums('a')], { topics: Object.fromEntries(nameOf) })
    try {
      let outcomes = NO_OUTCOMES
      for (const [i, timestamp] of WRITTEN.entries()) {
        const value = Buffer.from(JSON.stringify({ key: 'k', at: START_MS + i, amount: 1 }))
        const record = { offsetDelta: 0, key: Buffer.from('k'), value }
        const batch = { baseTimestamp: timestamp, maxTimestamp: timestamp, records: [record] }
        await produceRaw(kafka, source, naiveBatch(batch))
        // Each is once the last record of a chunk, and once read again.
        const watch = new Watch()
        const one = startWorker({ prepared, records, group, observer: watch.observer })
        await Promise.race([
          watch.until(() =>
            watch.of('committed').some((c) => c.nextOffsets[0]?.nextOffset === i + 1),
          ),
          one.done,
        ])
        await one.stop()
        outcomes = watch
          .of('processed')
          .map((e) => e.outcomes)
          .reduce(addOutcomes, outcomes)
      }
      expect(outcomes).toMatchObject({
        windowed: WRITTEN.length - FUTURE.length,
        dead: FUTURE.length,
      })
      const letters: LogRecord[] = await readTopic(records, nameOf.get('events.dlq') as string)
      expect(letters.map((l) => headerOf(l, '__streams.errors.offset'))).toEqual(FUTURE.map(String))
      expect(letters.map((l) => headerOf(l, 'tidemark.timestamp'))).toEqual(
        [GO_ZERO_MS, -(2n ** 32n), undefined].map((t) => t?.toString()),
      )
    } finally {
      await records.close()
    }
  },
)
