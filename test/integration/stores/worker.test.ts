import {
  defineTopology,
  redis as inRedis,
  millis,
  minutes,
  type Observer,
  runWorker,
  seconds,
} from 'tidemark'
import { expect, onTestFinished } from 'vitest'
import { z } from 'zod'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../../src/connect/port.ts'
import { until } from '../../services/cluster.ts'
import { freshName, kafkaTest, plainOptions, readTopic } from '../../services/kafka.ts'
import { startRedis } from '../../services/redis.ts'

// A worker with a store and a sink in Redis, on a real Kafka.

const Payment = z.object({ id: z.number(), card: z.string(), amount: z.number(), at: z.number() })

function spending(source: string, rows: string) {
  return defineTopology(freshName('spending'), (t) => {
    const cards = t.store('cards', {
      schema: z.object({ limit: z.number() }),
      from: inRedis({ key: (card) => `card:${card}` }),
      deadline: millis(100),
      fallback: { limit: -1 },
    })
    const featured = t
      .source(source, {
        schema: Payment,
        key: (p) => p.card,
        eventTimeMs: (p) => p.at,
        watermark: { lag: seconds(10), maxAhead: 'none' },
        onLate: 'dead-letter',
      })
      .features((f) => {
        const payments = f.events({ amount: (p) => p.amount })
        return {
          spent: payments.rolling(minutes(60)).sum('amount'),
          limit: payments.lookup(cards, (p) => p.card).value((c) => c.limit),
        }
      })
    return [
      featured.sink(rows),
      featured
        .map((s) => ({ card: s.event.card, spent: s.features.spent }))
        .sink(inRedis({ name: 'spent', key: (s) => `spent:${s.card}`, ttl: minutes(10) })),
    ]
  })
}

kafkaTest(
  'a store gives rows or substitutes, and a sink in Redis has the newest value before the offset is committed (Redis)',
  async (kafka) => {
    const redis = await startRedis()
    const [source, rows] = [freshName('payments'), freshName('rows')]
    const records = new KafkaRecords(plainOptions(kafka))
    onTestFinished(() => records.close())
    await records.create([source, `${source}.dlq`, rows].map((name) => ({ name, partitions: 2 })))
    const writer = records.writer()
    let sent = 0
    const send = async (count: number) => {
      const payments = Array.from({ length: count }, (_, i): NewRecord => {
        const id = sent + i
        const payment = { id, card: `c-${id % 5}`, amount: 1, at: Date.now() }
        const [key, value] = [Buffer.from(payment.card), Buffer.from(JSON.stringify(payment))]
        return { topic: source, partition: null, key, value, timestampMs: Date.now(), headers: [] }
      })
      await writer.write(payments)
      sent += count
    }
    const failed: string[] = []
    const failing: (string | null)[] = []
    const observer: Observer = (event) => {
      if (event.type === 'trouble' && event.kind === 'system') failing.push(event.reason)
      if (event.type === 'commit-failed') failed.push(event.reason)
    }
    await redis.cli('SET', 'card:c-1', '{"limit":100}')
    const worker = await runWorker(spending(source, rows), {
      ...{ brokers: kafka.brokers, redis: { urls: redis.urls, password: null, ca: null } },
      observer,
    })
    onTestFinished(() => worker.stop())
    const outputs = async () => readTopic(records, rows)
    const arrived = async () => (await outputs()).length === sent

    await send(50)
    await until('the first outputs', arrived)
    expect(JSON.parse(await redis.cli('GET', 'spent:c-3'))).toEqual({ card: 'c-3', spent: 10 })

    redis.signal('SIGKILL')
    await send(50)
    await until('a commit that waits', async () => failed.length > 0)
    expect(failed[0]).toContain('Redis does not take the values of spent: Redis does not answer')
    const isRefused = () => failing.at(-1)?.includes('connect ECONNREFUSED') === true
    await until('a connection that is refused', async () => isRefused())
    expect(await outputs()).toHaveLength(50)
    await redis.restart()
    await until('the other outputs', arrived)
    await until('the end of the outage', async () => failing.at(-1) === null)
    expect(JSON.parse(await redis.cli('GET', 'spent:c-3'))).toEqual({ card: 'c-3', spent: 20 })

    const seen = (await outputs()).map(({ value, headers }) => {
      const { event, features } = JSON.parse(String(value)) as {
        event: { id: number; card: string }
        features: { limit: number }
      }
      const degraded = headers.find(({ name }) => name === 'tidemark-degraded')?.value ?? null
      return { id: event.id, card: event.card, limit: features.limit, degraded: String(degraded) }
    })
    expect(new Set(seen.map(({ id }) => id)).size).toBe(100)
    expect(await readTopic(records, `${source}.dlq`)).toEqual([])
    const [before, during] = [seen.filter(({ id }) => id < 50), seen.filter(({ id }) => id >= 50)]
    expect(before.every(({ card, limit }) => limit === (card === 'c-1' ? 100 : -1))).toBe(true)
    expect(before.every(({ degraded }) => degraded === 'null')).toBe(true)
    expect(during.some(({ degraded }) => degraded === 'cards=unavailable')).toBe(true)
  },
)
