import { createClient } from 'redis'
import { expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { partitionOf } from '../../src/connect/memory/log.ts'
import { mulberry32 } from '../bench/payments.ts'
import { until } from '../services/cluster.ts'
import { freshName, freshTopics, kafkaTest, plainOptions, readTopic } from '../services/kafka.ts'
import { startRedis } from '../services/redis.ts'
import { start } from '../services/tidemark-in-test.ts'

// Workers with a sink in Redis that are killed. Keys of the sink come from several partitions.

/** A longer run has 20. */
const KILLS = Number(process.env['TIDEMARK_TEST_KILLS'] ?? 2)
const SALES_PER_KILL = 10_000
const SENDS_PER_KILL = 20
const PARTITIONS = 6
/** So few sales of each shop that many have their last one long before the end. */
const [CARDS, SHOPS] = [200, (KILLS * SALES_PER_KILL) / 8]
const START_MS = Date.UTC(2026, 0, 1)
/** Sales of a shop are often at the same time. */
const [STEP_MS, LATEST_MS] = [10, 60_000]
const NAMES = ['a', 'b']

for (const guarantee of ['exactly-once', 'at-least-once']) {
  kafkaTest(
    `${guarantee}, ${KILLS} times kill -9: each key of a sink in Redis has its newest value, to the byte (Redis)`,
    async (kafka) => {
      const redis = await startRedis()
      const records = new KafkaRecords(plainOptions(kafka))
      onTestFinished(() => records.close())
      const { topics, flags } = await freshTopics(records, ['sales', 'sales.dlq'], PARTITIONS)
      const group = freshName('newest-sales')
      const place = ['--brokers', kafka.brokers.join(','), '--redis', ...redis.urls]
      const own = ['--group', group, '--guarantee', guarantee, '--session-timeout', '3']
      const run = (name: string) =>
        start([
          ...['run', 'test/fixtures/topologies/newest-sales.ts', ...place, ...flags, ...own],
          ...['--worker-name', name],
        ])
      const workers = new Map(NAMES.map((name) => [name, run(name)]))
      await Promise.all([...workers.values()].map((worker) => worker.says('worker is running')))

      const committed = async () => {
        const offsets = await records.offsets(group, topics.sales)
        return offsets.reduce((sum, of) => sum + (of.committed?.nextOffset ?? 0), 0)
      }
      const random = mulberry32(5)
      const sales = new Sales(topics.sales, random)
      const writer = records.writer()
      const lags: number[] = []
      for (let kill = 0; kill < KILLS; kill++) {
        // Early, so that much is left to do.
        const target = sales.count + Math.floor((random() * SALES_PER_KILL) / 4)
        const name = NAMES[kill % NAMES.length] as string
        const victim = workers.get(name) as ReturnType<typeof run>
        let isDue = false
        const sending = (async () => {
          for (let n = 0; n < SENDS_PER_KILL || !victim.process.killed; n++) {
            // The rest is only there so that work is in flight when the worker is killed.
            await writer.write(
              sales.next(n < SENDS_PER_KILL ? SALES_PER_KILL / SENDS_PER_KILL : 10),
            )
            // What has just been sent cannot be committed yet.
            if (isDue && !victim.process.killed) victim.process.kill('SIGKILL')
          }
        })()
        await until('so far', async () => (await committed()) >= target)
        isDue = true
        await victim.ended
        lags.push(sales.count - (await committed()))
        workers.set(name, run(name))
        await sending
      }
      await until('through', async () => (await committed()) === sales.count)

      expect(Math.min(...lags)).toBeGreaterThan(0)
      expect(await readTopic(records, topics['sales.dlq'])).toEqual([])
      expect(sales.newest.size).toBeGreaterThan(0.99 * SHOPS)
      const keys = [...sales.newest.keys()]
      const client = await createClient({ url: redis.urls[0] as string }).connect()
      onTestFinished(() => client.destroy())
      const values = await client.mGet(keys)
      const wrong = keys.filter((key, i) => values[i] !== sales.newest.get(key)?.text)
      expect(wrong).toEqual([])
    },
    240_000 + KILLS * 15_000,
  )
}

/** A value, and what it is compared by: the time, the partition and the offset. */
interface Newest {
  readonly text: string
  readonly order: readonly [number, number, number]
}

/** Sales in random order, and the newest of each key. */
class Sales {
  readonly newest = new Map<string, Newest>()
  count = 0
  readonly #topic: string
  readonly #random: () => number
  readonly #ends = new Array<number>(PARTITIONS).fill(0)

  constructor(topic: string, random: () => number) {
    this.#topic = topic
    this.#random = random
  }

  next(count: number) {
    return Array.from({ length: count }, () => this.#next())
  }

  #next() {
    const id = this.count++
    const upTo = (n: number) => Math.floor(this.#random() * n)
    const lateMs = upTo(LATEST_MS / STEP_MS) * STEP_MS
    const sale = { id, shop: upTo(SHOPS), card: `c-${upTo(CARDS)}`, at: START_MS + id - lateMs }
    sale.at -= sale.at % STEP_MS
    const key = Buffer.from(sale.card)
    const partition = partitionOf({ partition: null, key }, PARTITIONS)
    const offset = this.#ends[partition] as number
    this.#ends[partition] = offset + 1
    this.#see({ text: JSON.stringify(sale), order: [sale.at, partition, offset] }, sale.shop)
    const value = Buffer.from(JSON.stringify(sale))
    const record = { topic: this.#topic, partition, key, value }
    return { ...record, timestampMs: Date.now(), headers: [] }
  }

  #see(sale: Newest, shop: number): void {
    const before = this.newest.get(`shop:${shop}`)
    const differs = sale.order.findIndex((n, i) => n !== before?.order[i])
    const isNewer = (sale.order[differs] as number) > (before?.order[differs] ?? -1)
    if (isNewer) this.newest.set(`shop:${shop}`, sale)
  }
}
