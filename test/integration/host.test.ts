import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Refused, type RunWorkerOptions, runWorker } from 'tidemark'
import { expect } from 'vitest'
import { splitKey } from '../../src/connect/files/lines.ts'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { Gauge, isReproducible, scoreUntil, scoreWithProcess } from '../host/page/service.ts'
import { freshName, freshTopics, kafkaTest, plainOptions, readTopic } from '../services/kafka.ts'
import { ROOT } from '../support/paths.ts'

// Workers in the test's own process, on a real broker.

const NAMES = ['payments', 'predictions', 'payments.dlq'] as const
const LINES = readFileSync(join(ROOT, 'topologies/samples/payments.tsv'), 'utf8')
  .trimEnd()
  .split('\n')

/** A line of the sample, as it is produced. */
function recordOf(line: string, topic: string) {
  const { key, value } = splitKey(Buffer.from(line))
  return { topic, partition: null, key, value, headers: [], timestampMs: Date.now() }
}

/** Resolves when what a gauge has seen scored is committed. */
function firstScored(gauge: Gauge) {
  let resolve = () => {}
  const promise = new Promise<void>((told) => (resolve = told))
  const observer: Gauge['observer'] = (event) => {
    gauge.observer(event)
    if (event.type === 'committed' && gauge.scored > 0) resolve()
  }
  return { promise, observer }
}

kafkaTest(
  'a worker in this process scores what is produced, until its signal aborts',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    try {
      const { topics } = await freshTopics(records, NAMES, 3)
      const group = freshName('group')
      const options: RunWorkerOptions = {
        ...plainOptions(kafka),
        topics,
        group,
        log: { debug() {}, info() {}, warn() {}, error() {} },
      }
      const produce = async (lines: readonly string[]) => {
        const writer = records.writer()
        await writer.write(lines.map((line) => recordOf(line, topics.payments)))
        await writer.close()
      }
      await produce(LINES.slice(0, 250))
      const gauge = new Gauge()
      const enough = firstScored(gauge)
      const end = new AbortController()
      const ended = scoreUntil(end.signal, { ...options, observer: enough.observer })
      await enough.promise
      end.abort()
      await ended
      expect(gauge.isRunning).toBe(false)
      const { brokers } = kafka
      expect(await isReproducible({ brokers, group, topics })).toBe(true)

      // The next worker takes the later records, and ends with its process.
      await produce(LINES.slice(250))
      const rest = new Gauge()
      const more = firstScored(rest)
      const next = await scoreWithProcess({ ...options, observer: more.observer })
      await more.promise
      process.emit('SIGTERM')
      await next.done
      expect(process.listenerCount('SIGTERM')).toBe(0)
      const predictions = await readTopic(records, topics.predictions)
      expect(predictions).toHaveLength(gauge.scored + rest.scored)
    } finally {
      await records.close()
    }
  },
)

kafkaTest(
  'a topic that does not exist ends it with what makes one; the process goes on',
  async (kafka) => {
    const { brokers } = plainOptions(kafka)
    const missing = freshName('missing')
    const worker = await runWorker(cardFraud, { brokers, topics: { payments: missing } })
    const thrown: unknown = await worker.done.catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(Refused)
    expect((thrown as Refused).faults).toContainEqual(
      expect.objectContaining({
        code: 'TOPIC_MISSING',
        message: expect.stringContaining(missing),
        hint: expect.stringContaining('--create'),
      }),
    )
    await expect(worker.stop()).rejects.toBe(thrown)
  },
)
