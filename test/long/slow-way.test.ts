import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { defineTopology, seconds } from 'tidemark'
import { expect, onTestFinished } from 'vitest'
import { z } from 'zod'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { Guarantee } from '../../src/connect/port.ts'
import { Watch } from '../runtime/support.ts'
import type { KafkaNode, OwnKafka } from '../services/from-maven.ts'
import { freshName } from '../services/kafka.ts'
import { Link } from '../services/links.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { limitProducer } from '../services/quota.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// A backlog, and a way to the brokers that carries little: a slow link, or a quota. All of it
// arrives, once, in about the time that its bytes need, and the worker stays in its group. With the
// 20,000 events that a worker is promised to get through it takes ten minutes:
// TIDEMARK_TEST_SLOW_EVENTS=20000 npm run test:long --
// test/long/slow-way.test.ts

const EVENTS = Number(process.env['TIDEMARK_TEST_SLOW_EVENTS'] ?? 3_000)
/** A client may write at once what it left unused for 11 s: a third of the backlog. */
const QUOTA = 10 * EVENTS
const LINK = 50_000
/** About what one output is, bytes. */
const OUTPUT = 400
/** So much longer than the bytes need may it take. */
const MOST = 1.3
/** The time for joining the group, and for a machine that has other work, ms. */
const MARGIN_MS = 5_000
const GUARANTEES: readonly Guarantee[] = ['exactly-once', 'at-least-once']
const timeoutMs = 240_000 + ((GUARANTEES.length * EVENTS * OUTPUT) / LINK) * MOST * 1_000

const Event = z.object({ key: z.string(), at: z.number(), amount: z.number() })

/** Each event to an output that is larger than it. */
function padded(source: string, sink: string) {
  return defineTopology('padded', (t) =>
    t
      .source(source, {
        schema: Event,
        key: (e) => e.key,
        eventTimeMs: (e) => e.at,
        watermark: { lag: seconds(60) },
        onLate: 'dead-letter',
      })
      .map((e) => ({ key: e.key, at: e.at, amount: e.amount, padding: 'x'.repeat(150) }))
      .sink(sink),
  )
}

/** Topics of a test, with its backlog in the source. */
async function backlog({ service }: OwnKafka) {
  const [source, sink] = [freshName('slow'), freshName('slow-out')]
  const records = new KafkaRecords({ brokers: service.brokers })
  onTestFinished(() => records.close())
  await records.create([source, sink, `${source}.dlq`].map((name) => ({ name, partitions: 1 })))
  const writer = records.writer()
  const nowMs = Date.now()
  await writer.write(
    Array.from({ length: EVENTS }, (_, i) => ({
      topic: source,
      partition: 0,
      key: Buffer.from(`k${i}`),
      value: Buffer.from(JSON.stringify({ key: `k${i}`, at: nowMs + i, amount: i })),
      timestampMs: nowMs + i,
      headers: [],
    })),
  )
  await writer.close()
  return { source, sink, records }
}

interface Way {
  readonly kafka: OwnKafka
  readonly guarantee: Guarantee
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly bytesPerSecond: number
}

/** Gets the backlog through, and looks at what came of it. */
async function getThrough({ kafka, guarantee, brokers, clientId, ...way }: Way) {
  const { source, sink, records } = await backlog(kafka)
  const prepared = await prepare([padded(source, sink)])
  const watch = new Watch()
  const worker = startWorker({
    prepared,
    records: new KafkaRecords({ brokers, clientId }),
    group: source,
    guarantee,
    observer: watch.observer,
  })
  const startMs = performance.now()
  const committed = () =>
    watch.of('committed').reduce((sum, { outputs }) => sum + (outputs[0]?.records ?? 0), 0)
  await Promise.race([watch.until(() => committed() >= EVENTS), worker.done])
  const tookMs = performance.now() - startMs
  // Nothing was lost on the way: every heartbeat came in time.
  expect(watch.of('assigned')).toHaveLength(1)
  expect(watch.of('lost')).toEqual([])
  await worker.stop()
  const ids: string[] = []
  for await (const chunk of await records.read({ topic: sink, from: 'earliest', until: 'end' })) {
    ids.push(...Array.from(chunk.records, (r) => headerOf(r, 'tidemark-id') ?? ''))
  }
  expect(new Set(ids).size).toBe(EVENTS)
  expect(ids).toHaveLength(EVENTS)
  const bytes = bytesOf(kafka.node(1), sink)
  const neededMs = (bytes / way.bytesPerSecond) * 1_000
  console.log(
    `${guarantee}, ${way.bytesPerSecond / 1_000} KB/s: ${EVENTS} outputs, ${bytes} bytes in ${Math.round(tookMs)} ms, ` +
      `${((tookMs / bytes) * way.bytesPerSecond * 0.001).toFixed(2)} of what they need`,
  )
  expect(tookMs).toBeLessThanOrEqual(neededMs * MOST + MARGIN_MS)
  return watch.of('trouble').flatMap(({ reason }) => reason ?? [])
}

/** The size of a topic's partition 0 on the broker's disk. */
function bytesOf(node: KafkaNode, topic: string): number {
  const dir = join(node.dir, 'data', `${topic}-0`)
  const logs = readdirSync(dir).filter((file) => file.endsWith('.log'))
  return logs.reduce((sum, file) => sum + statSync(join(dir, file)).size, 0)
}

ownKafkaTest(
  `a backlog gets through a link of ${LINK / 1_000} KB a second, and its troubles say why that takes long`,
  async (kafka) => {
    const link = new Link(kafka.node(1))
    await link.up()
    onTestFinished(() => link.down())
    link.slow(LINK, ['to broker'])
    for (const guarantee of GUARANTEES) {
      const reasons = await getThrough({
        kafka,
        guarantee,
        brokers: [link.address],
        clientId: freshName('slow'),
        bytesPerSecond: LINK,
      })
      expect(reasons).toContainEqual(
        expect.stringMatching(/^writing is slow: about \d+ KB a second/),
      )
    }
  },
  timeoutMs,
)

ownKafkaTest(
  `a backlog gets through a quota of ${QUOTA / 1_000} KB a second, and its troubles say that brokers throttle`,
  async (kafka) => {
    const { brokers } = kafka.service
    const each = async (guarantee: Guarantee) => {
      const clientId = freshName('slow')
      await limitProducer(kafka.node(1).address, clientId, QUOTA)
      const way = { kafka, guarantee, brokers, clientId, bytesPerSecond: QUOTA }
      expect(await getThrough(way)).toContainEqual(expect.stringMatching(/throttle/))
    }
    await Promise.all(GUARANTEES.map(each))
  },
  timeoutMs,
)
