import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { withTopics } from '../../src/topology/graph.ts'
import { sums, worker } from '../runtime/memory-workers.ts'
import { START_MS } from '../runtime/support.ts'
import { until } from '../services/cluster.ts'
import {
  freshName,
  type KafkaService,
  kafkaTest,
  plainOptions,
  readTopic,
} from '../services/kafka.ts'
import { addPartitions, deleteBefore, setOffset } from '../services/operator.ts'
import { createTopics } from '../services/topics.ts'
import { headerOf } from '../support/headers.ts'
import { type TestWorkerOptions as WorkerOptions } from '../support/in-process.ts'

// The effects of an operator's tools on a worker that keeps windows of a minute. An event a second.

async function minutes(kafka: KafkaService) {
  const records = new KafkaRecords(plainOptions(kafka))
  const [events, results, group] = [freshName('events'), freshName('results'), freshName('group')]
  const names = [events, results, `${events}.dlq`]
  await createTopics(
    kafka,
    records,
    names.map((name) => ({ name, partitions: 1 })),
  )
  const definition = withTopics(
    sums('minutes', { length: 60 }),
    new Map([
      ['events', events],
      ['sums', results],
      ['events.dlq', `${events}.dlq`],
    ]),
  )
  const writer = records.writer()
  const send = (from: number, to: number) =>
    writer.write(Array.from({ length: to - from }, (_, i) => event(events, from + i)))
  const start = (options: Partial<WorkerOptions> = {}) =>
    worker(new KafkaRecords(plainOptions(kafka)), [definition], { group, ...options })
  /** Works until all is committed. */
  const work = async (options: Partial<WorkerOptions> = {}) => {
    const { worker: started, watch } = await start(options)
    const isDone = async () => {
      const [offsets] = await records.offsets(group, events)
      return offsets?.committed?.nextOffset === offsets?.endOffset
    }
    await until('all committed', isDone)
    await started.stop()
    return watch
  }
  const told = async () =>
    (await readTopic(records, results)).map((r) => ({
      id: headerOf(r, 'tidemark-id'),
      n: (JSON.parse(String(r.value)) as { n: number }).n,
      isWarming: headerOf(r, 'tidemark-warming') === 'true',
    }))
  const close = async () => {
    await writer.close()
    await records.close()
  }
  return { events, group, send, start, work, told, close }
}

function event(topic: string, second: number): NewRecord {
  const at = START_MS + second * 1_000
  const value = Buffer.from(JSON.stringify({ key: 'a', at, amount: 1 }))
  const fields = { partition: 0, key: Buffer.from('a'), timestampMs: at, headers: [] }
  return { topic, value, ...fields }
}

kafkaTest(
  'an offset that was set back gives the same results again, each under its id',
  async (kafka) => {
    const { events: topic, group, send, work, told, close } = await minutes(kafka)
    await send(0, 200)
    await work()
    const before = await told()
    await setOffset(kafka, { group, topic, nextOffset: 30, metadata: '' })
    const watch = await work()
    expect(watch.of('restoring')[0]).toMatchObject({ fromOffset: 0, toOffset: 30 })
    expect(before.map(({ n }) => n)).toEqual([60, 60, 60])
    expect((await told()).slice(3)).toEqual(before)
    await close()
  },
)

kafkaTest(
  'where the log has lost its start results say so until windows are whole',
  async (kafka) => {
    const { events: topic, group, send, work, told, close } = await minutes(kafka)
    await send(0, 130)
    await deleteBefore(kafka, topic, 100)
    await setOffset(kafka, { group, topic, nextOffset: 110, metadata: 'of another consumer' })
    await work()
    // Whether they are is decided for what comes in one go; a horizon after the first event is 161.
    await send(130, 170)
    await work()
    await send(170, 330)
    await work()
    const results = await told()
    expect(results.map(({ n }) => n)).toEqual([20, 60, 60, 60])
    expect(results.map(({ isWarming }) => isWarming)).toEqual([true, false, false, false])
    await close()
  },
)

kafkaTest(
  'so they do where windows are rebuilt from a part of it, by the time of its records',
  async (kafka) => {
    const { events: topic, group, send, work, told, close } = await minutes(kafka)
    await send(0, 130)
    await setOffset(kafka, { group, topic, nextOffset: 110, metadata: '' })
    const watch = await work({ rebuildMs: 10_000 })
    await send(130, 170)
    await work()
    await send(170, 330)
    await work()
    expect(watch.of('restoring')[0]).toMatchObject({ fromOffset: 100, toOffset: 110 })
    const results = await told()
    expect(results.map(({ n }) => n)).toEqual([20, 60, 60, 60])
    expect(results.map(({ isWarming }) => isWarming)).toEqual([true, false, false, false])
    await close()
  },
)

kafkaTest(
  'partitions that are added end every worker that keeps windows, within seconds',
  async (kafka) => {
    const { events: topic, send, start, close } = await minutes(kafka)
    await send(0, 10)
    const workers = [await start(), await start()]
    const ended = Promise.allSettled(workers.map(({ worker: { done } }) => done))
    const areRunning = () => workers.every(({ watch }) => watch.states.includes('running'))
    await until('running', async () => areRunning())
    await addPartitions(kafka, topic, 4)
    const addedMs = performance.now()
    for (const one of await ended) {
      const reason = expect.objectContaining({
        code: 'TOPIC_CHANGED',
        message: `topic "${topic}" has 4 partitions; it had 1 when this group committed`,
      }) as unknown
      expect(one).toEqual({ status: 'rejected', reason })
    }
    expect(performance.now() - addedMs).toBeLessThan(20_000)
    await close()
  },
)
