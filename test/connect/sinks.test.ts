import { defineTopology, seconds } from 'tidemark'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { NewRecord, RecordSink } from '../../src/connect/port.ts'
import { connectors } from '../../src/connect/table.ts'
import { prepare, startWorker } from '../support/in-process.ts'
import { httpConnector, postedServer } from './http-sink.ts'
import { record } from './listener.ts'
import { type SinkDriver, sinkContract } from './sink-contract.ts'

connectors.set('http', httpConnector)

function pair(topic: string, key: string, value: string): NewRecord {
  return record(topic, { key: Buffer.from(key), value: Buffer.from(value) })
}

async function overHttp(): Promise<SinkDriver> {
  const server = await postedServer()
  const system = await connectors.get('http')?.open({ url: server.url })
  return {
    sink: system?.sink?.([]) as RecordSink,
    record: (key, value) => pair('alerts', key, value),
    values: async (key) => server.posted.get(`/alerts/${key}`) ?? [],
    refused: { record: pair('alerts', 'a', 'x'), code: 'COMMIT_FAILED' },
    close: server.close,
  }
}

async function inMemory(): Promise<SinkDriver> {
  const records = new MemoryRecords()
  records.createTopic('alerts', { partitions: 2 })
  return {
    sink: records.writer(),
    record: (key, value) => pair('alerts', key, value),
    values: async (key) => {
      const all = records.read('alerts').filter((each) => String(each.key) === key)
      return all.map(({ value }) => String(value))
    },
    refused: { record: pair('nowhere', 'a', '1'), code: 'TOPIC_MISSING' },
    close: () => records.close(),
  }
}

for (const [where, open] of [
  ['over HTTP', overHttp],
  ['in memory', inMemory],
] as const) {
  sinkContract((name, fn) => {
    test(`${name} (${where})`, async () => {
      const driver = await open()
      await fn(driver)
      await driver.close()
    })
  })
}

test('a connector is a line in the table: a worker writes to its sink, and the rest to topics', async () => {
  const server = await postedServer()
  onTestFinished(() => server.close())
  const Event = z.object({ key: z.string(), atMs: z.number() })
  const topology = defineTopology('alerts', (t) => {
    const events = t.source('events', {
      schema: Event,
      key: (e) => e.key,
      eventTimeMs: (e) => e.atMs,
      watermark: { lag: seconds(1), maxAhead: 'none' },
      onLate: 'drop',
    })
    return [
      events.sink({ connector: 'http', name: 'alerts', key: null, options: {} }),
      events.sink('outputs'),
    ]
  })
  const records = new MemoryRecords()
  for (const topic of ['events', 'events.dlq', 'outputs']) {
    records.createTopic(topic, { partitions: 1 })
  }
  const prepared = await prepare([topology], { systems: { http: { url: server.url } } })
  const worker = startWorker({ prepared, records, group: 'g', observer: () => {} })
  onTestFinished(() => worker.stop())
  records.produce([pair('events', 'a', '{"key":"a","atMs":1700000000000}')])
  await records.settled('g', 'events')
  const value = '{"key":"a","atMs":1700000000000}'
  expect([...server.posted]).toEqual([['/alerts/a', [value]]])
  expect(records.read('outputs').map((output) => String(output.value))).toEqual([value])
})
