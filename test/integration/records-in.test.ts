import { cloudEvents, defineTopology, minutes, seconds } from 'tidemark'
import { expect } from 'vitest'
import { z } from 'zod'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { addOutcomes, NO_OUTCOMES } from '../../src/runtime/output/outcomes.ts'
import type { Prepared } from '../../src/runtime/prepared.ts'
import { START_MS, Watch } from '../runtime/support.ts'
import { freshName, freshTopics, kafkaTest, plainOptions, readTopic } from '../services/kafka.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// CloudEvents of both modes, keyed by a header and with the record's time, through Kafka: what a
// restart reads again gives the same windows.

const Sale = z.object({ amount: z.number() })

const totals = defineTopology('totals', (t) =>
  t
    .source('sales', {
      schema: cloudEvents(Sale),
      key: (e, record) => record.header('tenant') ?? e.source,
      eventTimeMs: 'record',
      watermark: { lag: seconds(10) },
      onLate: 'dead-letter',
      onTombstone: 'skip',
    })
    .tumbling(minutes(1))
    .aggregate({ amount: (e) => e.data.amount }, (a) => ({ total: a.sum('amount') }))
    .sink('totals'),
)

type Written = Pick<NewRecord, 'value' | 'timestampMs' | 'headers'>

function written(
  second: number,
  value: unknown,
  headers: Readonly<Record<string, string>>,
): Written {
  return {
    value: value === null ? null : Buffer.from(JSON.stringify(value)),
    timestampMs: START_MS + second * 1_000,
    headers: Object.entries(headers).map(([name, text]) => ({ name, value: Buffer.from(text) })),
  }
}

const ATTRIBUTES = { specversion: '1.0', id: 'e', source: '/shop', type: 'sold' }
const IN_HEADERS = Object.fromEntries(
  Object.entries(ATTRIBUTES).map(([name, text]) => [`ce_${name}`, text]),
)
const structured = (second: number, tenant: string, amount: number) =>
  written(
    second,
    { ...ATTRIBUTES, data: { amount } },
    {
      'content-type': 'application/cloudevents+json',
      tenant,
    },
  )
const binary = (second: number, tenant: string, amount: number) =>
  written(second, { amount }, { ...IN_HEADERS, 'content-type': 'application/json', tenant })

kafkaTest('CloudEvents keyed by a header have the same windows after a restart', async (kafka) => {
  const records = new KafkaRecords(plainOptions(kafka))
  const { topics } = await freshTopics(records, ['sales', 'totals', 'sales.dlq'], 1)
  const prepared = await prepare([totals], { topics })
  const life = { prepared, records, group: freshName('records-in') }
  try {
    const first = await lived(life, topics.sales, [
      structured(0, 'a', 1),
      binary(1, 'b', 10),
      written(2, null, { tenant: 'a' }),
      written(3, { amount: 100 }, { tenant: 'a' }),
      binary(4, 'a', 2),
    ])
    expect(first).toMatchObject({ windowed: 3, skipped: 1, dead: 1 })
    const second = await lived(life, topics.sales, [structured(5, 'b', 20), binary(120, 'a', 3)])
    expect(second).toMatchObject({ windowed: 2, dead: 0 })
    const outputs = (await readTopic(records, topics.totals)).map(({ key, value }) => {
      return [String(key), (JSON.parse(String(value)) as { total: number }).total]
    })
    expect(outputs).toEqual([
      ['a', 3],
      ['b', 30],
    ])
    const letters = await readTopic(records, topics['sales.dlq'])
    expect(letters.map((l) => headerOf(l, 'tidemark.code'))).toEqual(['PAYLOAD_INVALID'])
    expect(letters.map((l) => headerOf(l, 'tenant'))).toEqual(['a'])
  } finally {
    await prepared.close()
    await records.close()
  }
})

interface Life {
  readonly prepared: Prepared
  readonly records: KafkaRecords
  readonly group: string
}

/** Writes records to the source, and runs a worker until they are committed. */
async function lived(life: Life, topic: string, all: readonly Written[]) {
  const writer = life.records.writer()
  const place = { topic, partition: 0, key: Buffer.from('k') }
  await writer.write(all.map((one) => ({ ...place, ...one })))
  await writer.close()
  const watch = new Watch()
  const worker = startWorker({ ...life, observer: watch.observer })
  const outcomes = () =>
    watch
      .of('processed')
      .map((e) => e.outcomes)
      .reduce(addOutcomes, NO_OUTCOMES)
  const isDone = () => Object.values(outcomes()).reduce((sum, n) => sum + n, 0) === all.length
  await Promise.race([watch.until(isDone), worker.done])
  await worker.stop()
  return outcomes()
}
