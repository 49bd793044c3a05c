import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  defineTopology,
  file as inFile,
  redis as inRedis,
  millis,
  minutes,
  runWorker,
  seconds,
} from 'tidemark'
import { expect, onTestFinished } from 'vitest'
import { z } from 'zod'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { hostWorker } from '../../src/host/host-worker.ts'
import {
  type GroupStatus,
  type GroupStatusJob,
  readGroupStatus,
} from '../../src/jobs/group-status.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { DEFAULT_CONFIG } from '../../src/runtime/config.ts'
import { withTopics } from '../../src/topology/graph.ts'
import { CardFraud, payments } from '../integration/card-fraud.ts'
import { shows, showsEnd, showsTrouble } from '../integration/status-of-faults.ts'
import { prepared, scored, scorer } from '../runtime/support.ts'
import { metadataOf } from '../services/cluster.ts'
import { freshName, type KafkaService, kafkaTest, plainOptions } from '../services/kafka.ts'
import { freshKafkaTest, secureKafkaTest } from '../services/own-kafka.ts'
import { limitProducer } from '../services/quota.ts'
import { startRedis } from '../services/redis.ts'
import { httpOf, tidemark } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'

// Faults of real systems, each of which must show in the status of the group and in the metric, and
// be gone when the worker can have noticed its end.

const Reading = z.object({ key: z.string(), at: z.number(), amount: z.number() })
const READINGS = {
  schema: Reading,
  key: (reading: z.infer<typeof Reading>) => reading.key,
  eventTimeMs: (reading: z.infer<typeof Reading>) => reading.at,
  watermark: { lag: seconds(0), maxAhead: 'none' },
  onLate: 'drop',
} as const

interface Place {
  readonly kafka: KafkaService
  readonly records: KafkaRecords
  readonly source: string
  readonly sink: string
  send(count: number, value?: string): Promise<void>
}

async function placeOn(kafka: KafkaService, replicas?: number): Promise<Place> {
  const records = new KafkaRecords(plainOptions(kafka))
  onTestFinished(() => records.close())
  const [source, sink] = [freshName('readings'), freshName('sums')]
  await records.create(
    [source, sink, `${source}.dlq`].map((name) => ({
      ...{ name, partitions: 3 },
      ...(replicas !== undefined && { replicas }),
    })),
  )
  const writer = records.writer()
  onTestFinished(() => writer.close())
  const send = (count: number, value?: string) =>
    writer.write(
      Array.from({ length: count }, (_, i): NewRecord => {
        const at = Date.now()
        const text = value ?? JSON.stringify({ key: `k${i % 9}`, at, amount: 1 })
        const parts = { key: Buffer.from(`k${i % 9}`), value: Buffer.from(text), headers: [] }
        return { topic: source, partition: null, timestampMs: at, ...parts }
      }),
    )
  return { kafka, records, source, sink, send }
}

function sumsOf({ source, sink }: Place) {
  return defineTopology(freshName('sums'), (t) =>
    t
      .source(source, READINGS)
      .tumbling(seconds(2))
      .aggregate({ amount: (r) => r.amount }, (a) => ({ sum: a.sum('amount') }))
      .sink(sink),
  )
}

type Topology = Parameters<typeof runWorker>[0]

/** Runs a worker in this process. @returns how to ask for the status of its group */
async function working(
  { kafka, records }: Pick<Place, 'kafka' | 'records'>,
  topology: Topology,
  options: Partial<Parameters<typeof runWorker>[1]> = {},
): Promise<GroupStatusJob> {
  const group = freshName('group')
  const shared = { brokers: kafka.brokers, group, http: { port: 0 } }
  const worker = await runWorker(topology, { ...shared, ...options })
  onTestFinished(() => worker.stop().catch(() => {}))
  const urls = [new URL(`http://127.0.0.1:${worker.http?.port}`)]
  const job = { group, definitions: [topology].flat(), records, urls, token: null }
  await shows(job, ({ workers }) => workers[0]?.state === 'running')
  return job
}

kafkaTest('an idle partition without idleAfter, and a topic that is deleted', async (kafka) => {
  const place = await placeOn(kafka)
  const job = await working(place, sumsOf(place))
  await place.send(30)
  await showsTrouble(job, 'idle')
  await place.send(30)
  await showsEnd(job, 'idle')
  const { Kafka, logLevel } = await import('kafkajs')
  const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [place.source] })
  await admin.disconnect()
  const reason = `${place.source}: the topic does not exist`
  await shows(job, ({ problems }) => problems.some((p) => p.reason === reason))
})

kafkaTest('too many dead letters', async (kafka) => {
  const place = await placeOn(kafka)
  const job = await working(place, sumsOf(place), { deadLetterBreakerPercent: 50 })
  await place.send(3_600, 'no JSON')
  await showsTrouble(job, 'breaker')
  await place.send(4_500)
  await showsEnd(job, 'breaker')
})

kafkaTest('a table whose file becomes invalid', async (kafka) => {
  const place = await placeOn(kafka)
  const rows = `${JSON.stringify({ key: 'k1', risk: 1 })}\n`
  const file = join(folderWith({ 'rows.ndjson': rows }), 'rows.ndjson')
  const topology = defineTopology(freshName('risks'), (t) => {
    const risks = t.table('risks', {
      schema: z.object({ key: z.string(), risk: z.number() }),
      key: (row) => row.key,
      from: inFile(pathToFileURL(file)),
    })
    return t
      .source(place.source, READINGS)
      .features((f) => ({
        risk: f
          .events({ amount: (r) => r.amount })
          .lookup(risks, (r) => r.key)
          .value((row) => row.risk),
      }))
      .sink(place.sink)
  })
  const job = await working(place, topology)
  writeFileSync(file, 'no JSON\n')
  await showsTrouble(job, 'table')
  writeFileSync(file, rows)
  await showsEnd(job, 'table')
})

kafkaTest('a model that fails for a while', async (kafka) => {
  const records = new KafkaRecords(plainOptions(kafka))
  onTestFinished(() => records.close())
  const names = ['events', 'scores', 'events.dlq'].map((name) => [name, freshName('t')] as const)
  const topics = new Map(names)
  await records.create([...topics.values()].map((name) => ({ name, partitions: 1 })))
  let isFailing = true
  const failing = scorer((amounts) => {
    if (isFailing) throw new TidemarkError('MODEL_FAILING', 'it fails on every row')
    return amounts
  })
  const definition = withTopics(scored, topics)
  const group = freshName('group')
  const worker = await hostWorker({
    prepared: prepared(failing, definition),
    config: { ...DEFAULT_CONFIG, brokers: kafka.brokers, group },
    options: { http: { port: 0 } },
  })
  onTestFinished(() => worker.stop())
  const urls = [new URL(`http://127.0.0.1:${worker.http?.port}`)]
  const source = topics.get('events') as string
  const job = { group, definitions: [definition], records, urls, token: null }
  const writer = records.writer()
  onTestFinished(() => writer.close())
  const value = Buffer.from(JSON.stringify({ key: 'k', at: Date.UTC(2026, 0, 1), amount: 1 }))
  const parts = { key: Buffer.from('k'), value, headers: [], timestampMs: Date.now() }
  await writer.write([{ topic: source, partition: 0, ...parts }])
  await showsTrouble(job, 'model')
  isFailing = false
  await showsEnd(job, 'model')
})

kafkaTest('a store that is away (Redis)', async (kafka) => {
  const redis = await startRedis()
  const place = await placeOn(kafka)
  const topology = defineTopology(freshName('limits'), (t) => {
    const limits = t.store('limits', {
      schema: z.object({ limit: z.number() }),
      from: inRedis({ key: (key) => `limit:${key}` }),
      ...{ deadline: millis(100), fallback: { limit: -1 } },
    })
    return t
      .source(place.source, READINGS)
      .features((f) => {
        const events = f.events({ amount: (r) => r.amount })
        return {
          spent: events.rolling(minutes(1)).sum('amount'),
          limit: events.lookup(limits, (r) => r.key).value((row) => row.limit),
        }
      })
      .sink(place.sink)
  })
  const job = await working(place, topology, {
    redis: { urls: redis.urls, password: null, ca: null },
  })
  await place.send(20)
  redis.signal('SIGKILL')
  const sending = setInterval(() => void place.send(20), 500)
  onTestFinished(() => clearInterval(sending))
  await showsTrouble(job, 'system', 'store')
  await redis.restart()
  await showsEnd(job, 'system', 'store')
})

freshKafkaTest(
  'a partition without a leader',
  async ({ service: kafka, node }) => {
    const place = await placeOn(kafka, 1)
    const job = await working(place, sumsOf(place))
    const { partitions } = await metadataOf(kafka.brokers[0] as string)
    const [victim] = partitions.flatMap((p) => (p.topic === place.source ? [p.leader] : []))
    node(victim as number).kill()
    await showsTrouble(job, 'unreadable')
    const isUnled = ({ reason }: { reason: string }) => reason.endsWith('no broker leads it')
    await shows(job, ({ problems }) => problems.some(isUnled))
    await node(victim as number).restart()
    await showsEnd(job, 'unreadable')
  },
  { nodes: 3 },
)

kafkaTest('a quota that slows writing down', async (kafka) => {
  const cards = await CardFraud.on(kafka)
  onTestFinished(() => cards.close())
  const name = freshName('worker')
  const address = kafka.brokers[0] as string
  await limitProducer(address, name, 30_000)
  onTestFinished(() => limitProducer(address, name, null))
  const url = new URL(await httpOf(cards.run('--http-port', '0', '--worker-name', name)))
  const job = await cards.statusJob(url)
  await cards.send(payments(2_000, 1))
  await showsTrouble(job, 'writing', 'commit')
  await limitProducer(address, name, null)
  await cards.allCommitted()
  await showsEnd(job, 'writing', 'commit')
})

kafkaTest('a rebalance that waits for a member that is dead', async (kafka) => {
  const cards = await CardFraud.on(kafka)
  onTestFinished(() => cards.close())
  const run = (name: string) =>
    cards.run('--http-port', '0', '--worker-name', name, '--session-timeout', '20')
  const url = new URL(await httpOf(run('first')))
  const dead = run('second')
  const job = await cards.statusJob(url)
  const has = (count: number) => (status: GroupStatus) => status.members?.length === count
  await shows(job, has(2))
  dead.process.kill('SIGKILL')
  await httpOf(run('third'))
  await showsTrouble(job, 'rebalance')
  await shows(job, has(2))
  await showsEnd(job, 'rebalance')
})

secureKafkaTest('a login that is refused', async ({ brokers, caFile, username }, kafka) => {
  const file = join(folderWith({ password: 'wrong' }), 'password')
  const login = [
    ...['--brokers', brokers.join(','), '--tls', '--tls-ca', caFile],
    ...['--sasl-mechanism', 'scram-sha-512', '--sasl-username', username],
    ...['--sasl-password-file', file],
  ]
  const cards = await CardFraud.on(kafka, 'topologies/card-fraud.ts', login)
  onTestFinished(() => cards.close())
  const run = cards.run('--http-port', '0')
  const url = new URL(await httpOf(run))
  expect(await run.ended).toMatchObject({ code: 4 })
  const { problems, unanswered } = await readGroupStatus(await cards.statusJob(url))
  expect(problems).toContainEqual(expect.objectContaining({ reason: 'the group: has no member' }))
  expect(unanswered).toMatchObject([{ url: url.host }])
  const asked = await tidemark(['status', 'topologies/card-fraud.ts', ...login])
  expect([asked.code, asked.stdout]).toEqual([4, expect.stringContaining('AUTHENTICATION')])
})

kafkaTest('the command exits with 0, 1 and 4', async (kafka) => {
  const cards = await CardFraud.on(kafka)
  onTestFinished(() => cards.close())
  const status = (...args: readonly string[]) => tidemark(['status', ...cards.place, ...args])
  expect(await status()).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('✗ the group: has no member  →  docs/runbook.md#unavailable'),
  })
  const run = cards.run('--http-port', '0')
  const http = await httpOf(run)
  await shows(
    await cards.statusJob(new URL(http)),
    ({ workers }) => workers[0]?.state === 'running',
  )
  expect(await status('--url', http)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('✓ nothing is wrong that can be seen here'),
  })
  run.process.kill('SIGTERM')
  await run.ended
  expect(await status('--url', http)).toMatchObject({ code: 4 })
})
