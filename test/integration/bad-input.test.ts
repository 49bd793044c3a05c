import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { withFeatures } from '../golden/with-features.ts'
import { badBetweenGood, featuresOfGood, type Sent } from '../runtime/bad-input.ts'
import { Watch } from '../runtime/support.ts'
import { freshName, kafkaTest, plainOptions, readTopic } from '../services/kafka.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// Bad records between good ones, through a real Kafka: the input topic takes 25 MB, the dead-letter
// topic what is usual.

/** Runs the worker until the group has committed everything that was sent. */
async function throughKafka(records: KafkaRecords, sent: readonly Sent[]) {
  const topics = { payments: freshName('payments'), predictions: freshName('predictions') }
  const deadLetters = freshName('dead-letters')
  await records.create([
    { name: topics.payments, partitions: 1, config: { 'max.message.bytes': '25000000' } },
    { name: topics.predictions, partitions: 1 },
    { name: deadLetters, partitions: 1 },
  ])
  const writer = records.writer()
  await writer.write(sent.map((s) => ({ ...s, topic: topics.payments, partition: 0 })))
  await writer.close()
  const names = new Map([...Object.entries(topics), ['payments.dlq', deadLetters]] as [
    string,
    string,
  ][])
  const prepared = await prepare([withFeatures(cardFraud)], { topics: Object.fromEntries(names) })
  const watch = new Watch()
  const group = freshName('bad-input')
  const worker = startWorker({ prepared, records, group, observer: watch.observer })
  const allCommitted = watch.until(() =>
    watch.of('committed').some((c) => c.nextOffsets[0]?.nextOffset === sent.length),
  )
  await Promise.race([allCommitted, worker.done])
  await worker.stop()
  await prepared.close()
  const letters = await readTopic(records, deadLetters)
  return { letters, outputs: await readTopic(records, topics.predictions) }
}

kafkaTest(
  'bad records become dead letters byte for byte, their neighbours are scored',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    const sent = badBetweenGood(Date.now())
    const bad = sent.filter((s) => s.code !== null)
    let ran: Awaited<ReturnType<typeof throughKafka>>
    try {
      ran = await throughKafka(records, sent)
    } finally {
      await records.close()
    }
    const { letters, outputs } = ran
    const told = letters.map((l) => [
      headerOf(l, '__streams.errors.offset'),
      headerOf(l, 'tidemark.code'),
    ])
    expect(told).toEqual(bad.map((b) => [String(sent.indexOf(b)), b.code]))
    for (const [i, input] of bad.entries()) {
      const { key, value, timestampMs, headers } = letters[i] as LogRecord
      expect({ key, timestampMs, trace: headers.filter((h) => h.name === 'trace') }).toEqual({
        key: input.key,
        timestampMs: input.timestampMs,
        trace: input.headers,
      })
      if (input.code !== 'RECORD_TOO_LARGE') {
        expect(value).toEqual(input.value)
        continue
      }
      expect(value).toBeNull()
      expect(headerOf({ headers }, 'tidemark.value.size')).toBe('20000000')
      const sha256 = createHash('sha256')
        .update(input.value as Buffer)
        .digest('hex')
      expect(headerOf({ headers }, 'tidemark.value.sha256')).toBe(sha256)
    }

    const rows = outputs.map((o) => {
      const { features } = JSON.parse(String(o.value)) as { features: Record<string, number> }
      return Float32Array.from(Object.values(features))
    })
    expect(rows).toEqual(Array.from({ length: bad.length + 1 }, (_, nth) => featuresOfGood(nth)))
  },
)
