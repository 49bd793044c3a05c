import { createHash } from 'node:crypto'
import { defineTopology, minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import { KeyedHash } from '../../src/kernel/bytes.ts'
import { wallClock } from '../../src/kernel/clock.ts'
import { prepare, startWorker } from '../support/in-process.ts'
import { START_MS } from './support.ts'

const GROUP = 'g'
const Order = z.object({ id: z.string(), shop: z.string(), item: z.string(), at: z.int() })

const orders = defineTopology('orders', (t) =>
  t
    .source('orders', {
      schema: Order,
      key: (o) => o.shop,
      eventTimeMs: (o) => o.at,
      watermark: { lag: seconds(5) },
      onLate: 'dead-letter',
    })
    .dedupe({ by: (o) => o.id, within: minutes(10) })
    .tumbling(seconds(10))
    .aggregate({ item: (o) => o.item, at: (o) => o.at % 97 }, (a) => ({
      ...{ orders: a.count(), items: a.distinct('item') },
      ...{ item: a.last('item'), at: a.first('at') },
    }))
    .sink('sums'),
)

/** Everything that a worker writes, offsets and their metadata too. */
async function written(secret: readonly number[]): Promise<string> {
  const records = new MemoryRecords({ chunkRecords: 50 })
  for (const name of ['orders', 'sums', 'orders.dlq']) records.createTopic(name, { partitions: 1 })
  for (let i = 0; i < 1_000; i++) {
    // Some twice, some late, some invalid.
    const [shop, item] = [`s-${(i * 7) % 211}`, i % 50 === 0 ? i : `i-${(i * 31) % 97}`]
    const order = { id: `o-${i - (i % 3)}`, shop, item, at: START_MS + i * 50 - (i % 40) * 300 }
    const value = Buffer.from(JSON.stringify(order))
    const key = Buffer.from(shop)
    records.produce([
      { topic: 'orders', partition: 0, key, value, timestampMs: order.at, headers: [] },
    ])
  }
  const prepared = { ...(await prepare([orders])), hash: new KeyedHash(secret) }
  const clock = { ...wallClock, nowMs: () => START_MS }
  const worker = startWorker({
    prepared,
    records,
    group: GROUP,
    observer: () => {},
    clock,
    commitIntervalMs: 0,
  })
  await Promise.race([records.settled(GROUP, 'orders'), worker.done])
  await worker.stop()
  const all = ['sums', 'orders.dlq'].flatMap((topic) => records.read(topic))
  const committed = records.committed(GROUP, { topic: 'orders', partition: 0 })
  expect(all.length).toBeGreaterThan(300)
  return createHash('sha256')
    .update(JSON.stringify([all, committed]))
    .digest('hex')
}

test('nothing that a worker writes depends on the secret of its hash', async () => {
  const one = await written([1, 2, 3, 4])
  expect(await written([-5, 6, -7, 8])).toBe(one)
})
