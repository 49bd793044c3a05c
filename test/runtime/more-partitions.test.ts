import { defineTopology, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { partitionOf } from '../../src/connect/memory/log.ts'
import { Event, end, GROUP, run, send, sums, topics, worker } from './memory-workers.ts'

// Partitions are added to a source while workers read it.

/** Copies events, and keeps no windows. */
const copies = defineTopology('copies', (t) =>
  t
    .source('events', {
      schema: Event,
      key: (e) => e.key,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(1) },
      onLate: 'dead-letter',
    })
    .sink('others'),
)

const CHANGED = {
  code: 'TOPIC_CHANGED',
  message: 'topic "events" has 5 partitions; it had 2 when this group committed',
}

/** A key that belongs to a partition of five. */
function keyIn(partition: number): string {
  const isThere = (n: number) => partitionOf({ partition: null, key: Buffer.from(`k${n}`) }, 5)
  let n = 0
  while (isThere(n) !== partition) n++
  return `k${n}`
}

test('every worker that keeps windows ends, also one that gets none of them, and so does one that is started again', async () => {
  const records = topics(undefined, 2)
  send(records, ['a', 0], ['b', 1])
  const workers = [await worker(records, [sums('sums')]), await worker(records, [sums('sums')])]
  await Promise.all(workers.map(({ watch }) => watch.until((w) => w.of('assigned').length > 0)))
  await Promise.all(workers.map(({ watch }) => watch.until((w) => w.of('committed').length > 0)))
  const ended = Promise.allSettled(workers.map(({ worker: { done } }) => done))
  records.addPartitions('events', 5)
  for (const one of await ended) expect(one).toMatchObject({ status: 'rejected', reason: CHANGED })
  expect(await end(records, [sums('sums')])).toMatchObject(CHANGED)
})

test('a worker without windows takes them, from their start', async () => {
  const records = topics(undefined, 2)
  const { worker: started, watch } = await worker(records, [copies], { from: 'latest' })
  await watch.until((w) => w.of('assigned').length === 2)
  records.addPartitions('events', 5)
  send(records, [keyIn(4), 0])
  await watch.until((w) => w.of('assigned').length === 5)
  await watch.until((w) => w.of('committed').some(({ outputs }) => outputs.length > 0))
  await started.stop()
  expect(records.read('others')).toHaveLength(1)
})

test('so does one that is started after they were added, and what they hold by then', async () => {
  const records = topics(undefined, 2)
  send(records, ['a', 0])
  await run(records, [copies], { from: 'latest' })
  records.addPartitions('events', 5)
  send(records, [keyIn(2), 0], [keyIn(3), 0], [keyIn(4), 0])
  await run(records, [copies], { from: 'latest' })
  expect(records.read('others')).toHaveLength(3)
  for (let partition = 0; partition < 5; partition++) {
    expect(records.committed(GROUP, { topic: 'events', partition })).not.toBeNull()
  }
})
