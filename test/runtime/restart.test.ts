import { defineTopology, minutes, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { partitionOf } from '../../src/connect/memory/log.ts'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import type { EventOf } from '../../src/observe/observer.ts'
import { headerOf } from '../support/headers.ts'
import {
  Event,
  end,
  GROUP,
  PacelessClock,
  run,
  send,
  settled,
  sums,
  topics,
  worker,
} from './memory-workers.ts'
import { START_MS } from './support.ts'

// Workers on records in memory that stop, and others that take their place.

const valuesOf = (records: readonly LogRecord[]) =>
  records.map((r) => JSON.parse(String(r.value)) as { key: string; n: number; sum: number })
const told = (records: MemoryRecords, topic = 'sums') =>
  valuesOf(records.read(topic)).map(({ key, n, sum }) => [key, n, sum])

describe('a window that is open when a worker stops', () => {
  test('is whole when the next one closes it', async () => {
    const records = topics()
    send(records, ['a', 0, 5], ['b', 3_000, 1], ['a', 9_000, 7])
    await run(records, [sums('sums')])
    send(records, ['a', 9_500, 1], ['a', 11_000, 100])
    await run(records, [sums('sums')])
    expect(told(records)).toEqual([
      ['a', 3, 13],
      ['b', 1, 1],
    ])
  })

  test('is read again from where it began, not from the start of the log', async () => {
    const records = topics()
    for (let s = 0; s < 200; s++) send(records, ['a', s * 1_000])
    await run(records, [sums('sums')])
    send(records, ['a', 200_000])
    const { watch } = await run(records, [sums('sums')])
    const [restored] = watch.of('restored')
    expect(restored?.records).toBeGreaterThanOrEqual(10)
    expect(restored?.records).toBeLessThan(25)
    const first = watch.of('restoring')[0] as EventOf<'restoring'>
    expect(first.fromOffset).toBe(first.nextOffset)
    expect(first.toOffset).toBe(200)
    expect(first.reason).toBeNull()
  })

  test('is not ready before it is restored', async () => {
    const records = topics()
    send(records, ['a', 0], ['a', 1], ['a', 2])
    await run(records, [sums('sums')])
    send(records, ['a', 3])
    const { readiness, watch } = await run(records, [sums('sums')])
    expect(readiness.some((r) => r.restoring === 1 && !r.ready)).toBe(true)
    const at = watch.events.findIndex((e) => e.type === 'restored')
    expect(readiness.slice(at).every((r) => r.restoring === 0)).toBe(true)
  })
})

test('an event stays late after a restart: the watermark is that of the log', async () => {
  const records = topics()
  send(records, ['a', 60_000])
  await run(records, [sums('sums')])
  send(records, ['a', 0])
  await run(records, [sums('sums')])
  const [letter] = records.read('events.dlq')
  expect(headerOf(letter as LogRecord, 'tidemark.code')).toBe('LATE')
})

describe('a topology whose windows are defined differently', () => {
  test('has them rebuilt from the start of the log, and says why', async () => {
    const records = topics()
    send(records, ['a', 0, 5], ['a', 12_000, 7])
    await run(records, [sums('sums')])
    send(records, ['a', 61_000])
    const { watch } = await run(records, [sums('sums', { length: 60 })])
    expect(watch.of('restoring')[0]).toMatchObject({
      fromOffset: 0,
      reason: 'the definition of its windows has changed',
    })
    // The first by 10 s; the last as if it had been by 60 s all along.
    expect(told(records)).toEqual([
      ['a', 1, 5],
      ['a', 2, 12],
    ])
  })

  test('has them as they were when only a sink has changed', async () => {
    const records = topics()
    send(records, ['a', 0, 5])
    await run(records, [sums('sums')])
    const { watch } = await run(records, [sums('sums', { topic: 'others' })])
    expect(watch.of('restoring').map((e) => e.reason)).not.toContain(
      'the definition of its windows has changed',
    )
  })
})

describe('several topologies in one worker', () => {
  test('on one source share its offset, and each restores its own windows', async () => {
    const records = topics()
    const both = () => [sums('short'), sums('long', { topic: 'others', length: 60 })]
    send(records, ['a', 0, 5], ['a', 12_000, 7], ['a', 30_000, 1])
    await run(records, both())
    send(records, ['a', 61_500, 1])
    const { watch } = await run(records, both())
    expect(told(records)).toEqual([
      ['a', 1, 5],
      ['a', 1, 7],
      ['a', 1, 1],
    ])
    expect(told(records, 'others')).toEqual([['a', 3, 13]])
    expect(watch.of('restored').map((e) => e.topology)).toEqual(['short', 'long'])
    expect(records.committed(GROUP, { topic: 'events', partition: 0 })?.nextOffset).toBe(4)
  })

  test('one that is new to the group has its windows from the log, and its output from the offset', async () => {
    const records = topics()
    send(records, ['a', 0, 5], ['a', 12_000, 7], ['a', 25_000, 1])
    await run(records, [sums('short')])
    send(records, ['a', 61_500, 1])
    const { watch } = await run(records, [
      sums('short'),
      sums('long', { topic: 'others', length: 60 }),
    ])
    expect(told(records, 'others')).toEqual([['a', 3, 13]])
    const reasons = watch.of('restoring').map((e) => [e.topology, e.reason])
    expect(reasons).toContainEqual(['long', 'the group has not run this topology before'])
    expect(reasons).toContainEqual(['short', null])
  })
})

describe('where a group begins', () => {
  test('is claimed before anything is read, with latest at the end of the log', async () => {
    const records = topics()
    send(records, ['a', 0])
    const first = await worker(records, [sums('sums')], { from: 'latest' })
    await settled(records, first.worker)
    expect(records.committed(GROUP, { topic: 'events', partition: 0 })?.nextOffset).toBe(1)
    await first.worker.stop()
    // The next one goes on from there, whatever it is told.
    send(records, ['a', 20_000, 3], ['a', 32_000])
    await run(records, [sums('sums')], { from: 'earliest' })
    expect(told(records)).toEqual([
      ['a', 1, 1],
      ['a', 1, 3],
    ])
  })

  test('is claimed in an empty partition too', async () => {
    const records = topics()
    const { worker: started, watch } = await worker(records, [sums('sums')])
    await watch.until((w) => w.of('committed').length > 0)
    await started.stop()
    expect(records.committed(GROUP, { topic: 'events', partition: 0 })?.nextOffset).toBe(0)
  })
})

describe('refused', () => {
  test('a topic with more partitions than when the group committed', async () => {
    const records = topics()
    send(records, ['a', 0])
    await run(records, [sums('sums')])
    const grown = topics(new MemoryRecords(), 2)
    await commitInto(grown, records, { partition: 0, nextOffset: 0 })
    expect(await end(grown, [sums('sums')])).toMatchObject({
      code: 'TOPIC_CHANGED',
      message: 'topic "events" has 2 partitions; it had 1 when this group committed',
    })
  })

  test('a topic that was created again', async () => {
    const records = topics()
    send(records, ['a', 0], ['a', 1])
    await run(records, [sums('sums')])
    const again = topics()
    send(again, ['x', 0], ['y', 1], ['z', 2])
    await commitInto(again, records, { partition: 0, nextOffset: 2 })
    expect(await end(again, [sums('sums')])).toMatchObject({
      code: 'TOPIC_CHANGED',
      where: 'events-0@1',
    })
  })

  test('a compacted source', async () => {
    const records = new MemoryRecords()
    records.createTopic('events', { partitions: 1, isCompacted: true })
    for (const topic of ['sums', 'events.dlq']) records.createTopic(topic, { partitions: 1 })
    const refused = (await end(records, [sums('sums')])) as Error
    expect(refused.message).toMatch(/^TOPIC_COMPACTED: topic "events" is compacted/)
  })

  test('an offset before the start of the log', async () => {
    const records = topics()
    send(records, ['a', 0], ['a', 1])
    await run(records, [sums('sums')])
    send(records, ['a', 2], ['a', 3])
    records.deleteBefore({ topic: 'events', partition: 0, offset: 3 })
    expect(await end(records, [sums('sums')])).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })
})

/** Commits in `to`, at this offset, the metadata that the group has committed in `from`. */
async function commitInto(
  to: MemoryRecords,
  from: MemoryRecords,
  { partition, nextOffset }: { partition: number; nextOffset: number },
): Promise<void> {
  const metadata = from.committed(GROUP, { topic: 'events', partition })?.metadata as string
  const epochs = new Map<number, number>()
  const member = await to.join({
    group: GROUP,
    topics: ['events'],
    from: 'earliest',
    handlers: {
      assigned: (a) => {
        epochs.set(a.partition, a.epoch)
        return a.nextOffset
      },
      lost: () => {},
      chunk: () => {},
      caughtUp: () => {},
      unreadable: () => {},
      throttled: () => {},
      failed: () => {},
    },
  })
  const epoch = epochs.get(partition) as number
  const next = { topic: 'events', partition, epoch, nextOffset, metadata }
  await member.commit({ outputs: [], deadLetters: [], nextOffsets: [next] })
  await member.leave()
}

test('where the log has lost what windows need, outputs say so until they are whole', async () => {
  const records = topics()
  for (let s = 0; s < 12; s++) send(records, ['a', s * 1_000])
  await run(records, [sums('sums', { length: 10 })])
  records.deleteBefore({ topic: 'events', partition: 0, offset: 11 })
  for (let s = 12; s < 60; s++) send(records, ['a', s * 1_000])
  const { watch } = await run(records, [sums('sums', { length: 10 })])
  expect(watch.of('restoring')[0]?.reason).toMatch(
    /which its windows need, are no longer in the log$/,
  )
  const warming = records.read('sums').map((r) => headerOf(r, 'tidemark-warming') ?? null)
  expect(warming).toEqual([null, 'true', null, null, null])
})

test('a silent partition closes its windows once idleAfter has passed, and a restart does not tell them again', async () => {
  const records = topics()
  const clock = new PacelessClock(START_MS)
  send(records, ['a', 0, 5])
  const idle = [sums('sums', { idle: true })]
  const { worker: started, watch } = await worker(records, idle, { clock })
  await settled(records, started)
  // Its watermark is 1 s behind the event, so its window ends 11 s after; but nothing passes before
  // 30 s of silence.
  await clock.asleepFor(30_000)
  clock.advance(29_999)
  expect(told(records)).toEqual([])
  clock.advance(1)
  await watch.until((w) => w.of('committed').some((c) => c.outputs.length > 0))
  expect(told(records)).toEqual([['a', 1, 5]])
  await started.stop()
  send(records, ['a', 60_000])
  await run(records, [sums('sums', { idle: true })])
  expect(told(records)).toEqual([['a', 1, 5]])
})

test('past its limit of keys a worker sets new ones aside and goes on with those it has', async () => {
  const records = topics()
  send(records, ['a', 0], ['b', 1], ['c', 2], ['a', 3], ['a', 20_000])
  await run(records, [sums('sums')], { maxKeys: 2, maxStateBytes: 1e9 })
  expect(told(records)).toEqual([
    ['a', 2, 2],
    ['b', 1, 1],
  ])
  const codes = records.read('events.dlq').map((r) => headerOf(r, 'tidemark.code'))
  expect(codes).toEqual(['STATE_LIMIT'])
})

test('what a worker may keep is divided among its partitions, so that none takes the room of another', async () => {
  const records = topics(undefined, 2)
  const keysOf = (partition: number) => {
    const all = Array.from({ length: 50 }, (_, n) => `k${n}`)
    return all.filter((k) => partitionOf({ partition: null, key: Buffer.from(k) }, 2) === partition)
  }
  const greedy = keysOf(0).slice(0, 5)
  for (const key of greedy) send(records, [key, 0])
  const { worker: started, watch } = await worker(records, [sums('sums')], {
    maxKeys: 4,
    maxStateBytes: 1e9,
  })
  await watch.until((w) => w.of('dead-letter').length === 3)
  for (const key of keysOf(1).slice(0, 2)) send(records, [key, 0])
  await settled(records, started)
  await started.stop()
  expect(watch.of('dead-letter').map(({ code }) => code)).toEqual(Array(3).fill('STATE_LIMIT'))
})

test('a result that cannot be written is a dead letter of its own, with its key and what it was', async () => {
  const records = topics()
  const definition = defineTopology('throws', (t) =>
    t
      .source('events', {
        schema: Event,
        key: (e) => e.key,
        eventTimeMs: (e) => e.at,
        watermark: { lag: seconds(0) },
        onLate: 'dead-letter',
      })
      .tumbling(minutes(1))
      .aggregate({}, (a) => ({ n: a.count() }))
      .map((w) => {
        if (w.key === 'bad') throw new Error('no')
        return w
      })
      .sink('sums'),
  )
  send(records, ['bad', 0], ['good', 1], ['x', 60_000])
  const { watch } = await run(records, [definition])
  expect(valuesOf(records.read('sums')).map((v) => v.key)).toEqual(['good'])
  const [letter, ...more] = records.read('events.dlq')
  expect(more).toEqual([])
  expect(String(letter?.key)).toBe('bad')
  expect(JSON.parse(String(letter?.value))).toEqual({
    key: 'bad',
    windowStartMs: START_MS,
    windowEndMs: START_MS + 60_000,
    n: 1,
  })
  expect(headerOf(letter as LogRecord, '__streams.errors.offset')).toBe('2')
  const outcomes = { scored: 0, windowed: 3, skipped: 0, duplicate: 0, late: 0, dead: 0 }
  expect(watch.of('processed').at(-1)?.outcomes).toEqual(outcomes)
})
