import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { crc32c } from '../../src/connect/kafka/codec/batch-header.ts'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { ReadOptions } from '../../src/connect/kafka/reader.ts'
import { countLetters, readLetter } from '../../src/jobs/dead-letters.ts'
import { heldUp } from '../integration/held-up.ts'
import { sums } from '../runtime/memory-workers.ts'
import { START_MS, Watch } from '../runtime/support.ts'
import {
  freshName,
  type KafkaService,
  kafkaTest,
  plainOptions,
  readTopic,
} from '../services/kafka.ts'
import { produceRaw } from '../services/raw-produce.ts'
import { createTopics } from '../services/topics.ts'
import { encodeBatches, NO_PRODUCER } from '../support/batches.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// Batches that are small on the wire and large when they are unpacked.

const HEADER_BYTES = 61
const GZIP = 1

/** Equal records in one batch, packed as well as can be. */
function gzipBatch(count: number, value: Buffer | null): Buffer {
  const record = { key: null, value, timestampMs: START_MS, headers: [] }
  const options = { maxBytes: 2 ** 30, producer: NO_PRODUCER, compression: 'none' } as const
  const [plain] = encodeBatches(new Array(count).fill(record), options)
  const bytes = plain?.bytes ?? expect.fail('nothing was encoded')
  const packed = gzipSync(bytes.subarray(HEADER_BYTES), { level: 9 })
  const batch = Buffer.concat([bytes.subarray(0, HEADER_BYTES), packed])
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt16BE(GZIP, 21)
  batch.writeUInt32BE(crc32c(batch, 21, batch.length), 17)
  return batch
}

async function fresh(kafka: KafkaService, records: KafkaRecords) {
  const names = { events: freshName('events'), sums: freshName('sums'), dlq: freshName('dlq') }
  const specs = Object.values(names).map((name) => ({ name, partitions: 1 }))
  await createTopics(kafka, records, specs)
  return names
}

kafkaTest(
  'a batch that unpacks to more than 64 MiB is a dead letter, and is one once',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    const names = await fresh(kafka, records)
    const to = { topic: names.events, partition: 0 }
    const batch = gzipBatch(70, Buffer.alloc(2 ** 20))
    try {
      const event = (at: number) => ({
        topic: names.events,
        partition: 0,
        key: Buffer.from('k'),
        value: Buffer.from(JSON.stringify({ key: 'k', at: START_MS + at, amount: 1 })),
        timestampMs: START_MS + at,
        headers: [],
      })
      const writer = records.writer()
      await writer.write([event(0), event(1)])
      await produceRaw(kafka, to, batch)
      const topics = { events: names.events, sums: names.sums, 'events.dlq': names.dlq }
      const prepared = await prepare([sums('a')], { topics })
      const group = freshName('large')
      const outcomes = []
      for (const [i, end] of [73, 74].entries()) {
        // The second worker reads the batch again for its windows.
        await writer.write([event(2 + i * 20_000)])
        const watch = new Watch()
        const worker = startWorker({ prepared, records, group, observer: watch.observer })
        const isDone = () => watch.of('committed').some((c) => c.nextOffsets[0]?.nextOffset === end)
        await Promise.race([watch.until(isDone), worker.done])
        await worker.stop()
        outcomes.push(...watch.of('processed').map((e) => e.outcomes))
      }
      await writer.close()
      expect(outcomes.reduce((sum, o) => sum + o.dead, 0)).toBe(70)
      expect(outcomes.reduce((sum, o) => sum + o.windowed, 0)).toBe(4)
      const letters = await readTopic(records, names.dlq)
      expect(letters).toHaveLength(1)
      const [letter = expect.fail('no dead letter')] = letters
      expect(headerOf(letter, 'tidemark-id')).toBe(`${names.events}/0/2/${names.dlq}`)
      expect(headerOf(letter, 'tidemark.records')).toBe('70')
      // The broker has written the offset, which the checksum does not cover.
      expect(letter.value?.subarray(17)).toEqual(batch.subarray(17))
      const [sum] = await readTopic(records, names.sums)
      expect(JSON.parse(String(sum?.value))).toMatchObject({ n: 3 })
    } finally {
      await records.close()
    }
  },
)

const TOMBSTONES = 200_000
const MOST = { heldMs: 50, peakMb: 250 }

kafkaTest(
  '200,000 tombstones in one batch are as many dead letters, each once; nobody is held up, and memory stays small',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    const names = await fresh(kafka, records)
    try {
      await produceRaw(kafka, { topic: names.events, partition: 0 }, gzipBatch(TOMBSTONES, null))
      const { heldMs, peakMb } = await heldUp({
        ...{ kafka, work: 'echo', guarantee: 'exactly-once', topics: names, end: TOMBSTONES },
        flags: ['--max-old-space-size=512'],
      })
      console.log(`held the loop for ${heldMs.toFixed(0)} ms at most, ${peakMb.toFixed(0)} MB`)
      const seen = new Uint8Array(TOMBSTONES)
      const reader = await records.read({ topic: names.dlq, from: 'earliest', until: 'end' })
      for await (const chunk of reader) {
        for (const letter of chunk.records) {
          const offset = Number(headerOf(letter, '__streams.errors.offset'))
          seen[offset] = (seen[offset] as number) + 1
        }
      }
      expect(seen.every((times) => times === 1)).toBe(true)
      expect(heldMs).toBeLessThanOrEqual(MOST.heldMs)
      expect(peakMb).toBeLessThanOrEqual(MOST.peakMb)
    } finally {
      await records.close()
    }
  },
  240_000,
)

kafkaTest(
  'a batch that unpacks to more than 64 MiB ends no list of dead letters',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    const { dlq } = await fresh(kafka, records)
    const definition = { ...sums('a'), deadLetterTopic: dlq }
    const job = { definition, read: (options: ReadOptions) => records.read(options) }
    const place = { topic: dlq, partition: 0 }
    try {
      const letter = { ...place, key: null, value: null, timestampMs: START_MS, headers: [] }
      const writer = records.writer()
      await writer.write([letter])
      await produceRaw(kafka, place, gzipBatch(70, Buffer.alloc(2 ** 20)))
      await writer.write([letter])
      await writer.close()
      const { others } = await countLetters(job, 'earliest')
      expect(others.map(({ letters, oldest }) => [letters, oldest.offset])).toEqual([
        [1, 1],
        [2, 0],
      ])
      const inside = readLetter(job, { partition: 0, offset: 5 }, async (all) => all)
      await expect(inside).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE' })
    } finally {
      await records.close()
    }
  },
)
