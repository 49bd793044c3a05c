import { describe, expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { heldUp } from '../integration/held-up.ts'
import { START_MS } from '../runtime/support.ts'
import { freshName, kafkaTest, plainOptions } from '../services/kafka.ts'
import { createTopics } from '../services/topics.ts'

// A watermark that goes over very many windows at once.

const WINDOWS = 250_000
const PER_SEND = 5_000
const MINUTE_MS = 60_000
/**
 * The most that the loop may be held: the growth of a map, which nothing interrupts, takes 25 ms.
 * With exactly-once, all outcomes are one transaction.
 */
const HELD_MS = 100

describe.each([
  ['exactly-once', 600],
  ['at-least-once', 400],
] as const)('%s', (guarantee, mostMb) => {
  kafkaTest(
    `${WINDOWS.toLocaleString('en')} windows that one record closes are told once each; nobody is held up, and memory stays small`,
    async (kafka) => {
      const records = new KafkaRecords(plainOptions(kafka))
      const topics = { events: freshName('events'), sums: freshName('sums'), dlq: freshName('dlq') }
      const specs = Object.values(topics).map((name) => ({ name, partitions: 1 }))
      await createTopics(kafka, records, specs)
      const event = (n: number, atMs: number) => ({
        topic: topics.events,
        partition: 0,
        key: Buffer.from(`k-${n}`),
        value: Buffer.from(JSON.stringify({ key: `k-${n}`, at: atMs })),
        timestampMs: START_MS,
        headers: [],
      })
      try {
        const writer = records.writer()
        for (let from = 0; from < WINDOWS; from += PER_SEND) {
          await writer.write(Array.from({ length: PER_SEND }, (_, i) => event(from + i, START_MS)))
        }
        await writer.write([event(0, START_MS + 2 * MINUTE_MS)])
        await writer.close()
        const work = { kafka, work: 'minutes', guarantee, topics, end: WINDOWS + 1 } as const
        const { heldMs, peakMb } = await heldUp(work)
        console.log(`held the loop for ${heldMs.toFixed(0)} ms at most, ${peakMb.toFixed(0)} MB`)
        const told = new Uint8Array(WINDOWS)
        const reader = await records.read({ topic: topics.sums, from: 'earliest', until: 'end' })
        for await (const chunk of reader) {
          for (const { key, value } of chunk.records) {
            const window = Number(String(key).slice('k-'.length))
            told[window] = (told[window] as number) + 1
            const { n } = JSON.parse(String(value)) as { n: number }
            if (n !== 1) expect.fail(`${n} events in window ${window}`)
          }
        }
        expect(told.every((times) => times === 1)).toBe(true)
        expect(heldMs).toBeLessThanOrEqual(HELD_MS)
        expect(peakMb).toBeLessThanOrEqual(mostMb)
      } finally {
        await records.close()
      }
    },
    300_000,
  )
})
