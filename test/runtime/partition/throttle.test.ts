import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import { MemoryRecords } from '../../../src/connect/memory/memory-records.ts'
import { NO_OUTCOMES } from '../../../src/runtime/output/outcomes.ts'
import { bytesInMemory } from '../../../src/runtime/partition/chunks.ts'
import { Breaker, Throttle } from '../../../src/runtime/partition/throttle.ts'
import { HandClock } from '../../support/clocks.ts'
import { GROUP, PacelessClock, sums, topics, worker } from '../memory-workers.ts'
import { record, START_MS } from '../support.ts'

const EVENTS = { topic: 'events', partition: 0 }

/** Records of which some are no events. */
function produce(records: MemoryRecords, count: number, isBad: (i: number) => boolean): void {
  const good = Buffer.from(JSON.stringify({ key: 'k', at: START_MS, amount: 1 }))
  records.produce(
    Array.from({ length: count }, (_, i) => ({
      ...EVENTS,
      key: Buffer.from('k'),
      value: isBad(i) ? null : good,
      timestampMs: START_MS,
      headers: [],
    })),
  )
}

test('opens when more than its percentage of the last 1,000 records are dead, late ones not counted, and closes again', () => {
  const breaker = new Breaker(['t'], 50)
  const chunk = (of: Partial<typeof NO_OUTCOMES>) => breaker.took('t', { ...NO_OUTCOMES, ...of })
  expect(chunk({ dead: 999 })).toBe(false)
  expect([chunk({ scored: 1 }), breaker.isOpen]).toEqual([true, true])
  expect([chunk({ late: 499 }), breaker.isOpen]).toEqual([false, true])
  expect([chunk({ late: 501 }), breaker.isOpen]).toEqual([true, false])
  expect([chunk({ dead: 500, scored: 500 }), breaker.isOpen]).toEqual([false, false])
  expect([chunk({ dead: 501, scored: 499 }), breaker.isOpen]).toEqual([true, true])
})

test('takes the records of each topology by themselves, and is open while those of one are too many', () => {
  const breaker = new Breaker(['a', 'b'], 50)
  const chunk = (topology: string, of: Partial<typeof NO_OUTCOMES>) =>
    breaker.took(topology, { ...NO_OUTCOMES, ...of })
  // 500 records, which both have read.
  expect([chunk('a', { dead: 500 }), chunk('b', { dead: 500 })]).toEqual([false, false])
  expect([chunk('a', { dead: 500 }), breaker.isOpen, breaker.deadPercent]).toEqual([
    true,
    true,
    100,
  ])
  // While `a` has too many, the outcomes of `b` neither close it nor open it again.
  expect([chunk('b', { scored: 1_000 }), breaker.isOpen]).toEqual([false, true])
  expect([chunk('b', { dead: 600, scored: 400 }), breaker.deadPercent]).toEqual([false, 100])
  expect([chunk('a', { scored: 1_000 }), breaker.isOpen, breaker.deadPercent]).toEqual([
    false,
    true,
    60,
  ])
  expect([chunk('b', { scored: 1_000 }), breaker.isOpen]).toEqual([true, false])
})

test('a worker with a breaker goes on at 100 records a second while too many are dead, says so, and then at full speed', async () => {
  const records = topics(new MemoryRecords({ chunkRecords: 500 }))
  const clock = new PacelessClock(START_MS)
  const { worker: one, watch } = await worker(records, [sums('a')], {
    clock,
    deadLetterBreakerPercent: 50,
  })
  produce(records, 1_000, () => true)
  await watch.until(() => watch.troubles('breaker').length === 1)
  expect(watch.troubles('breaker')[0]).toMatchObject({
    partition: EVENTS,
    reason: '100 % of the last records of events-0 are dead letters: it continues at 100 a second',
  })
  expect(watch.of('state').at(-1)).toMatchObject({
    state: 'unavailable',
    reason: expect.stringContaining('events-0') as string,
  })
  produce(records, 3_000, () => false)
  await watch.until(() => watch.troubles('breaker').length === 2)
  await records.settled(GROUP, 'events')
  const slow = watch.of('consumed').filter(({ records: n }) => n > 0 && n <= 10)
  // So many good ones had to come, ten at a time, until half of the last 1,000 were dead; one more
  // may be on its way by then.
  expect([50, 51]).toContain(slow.length)
  expect(watch.of('consumed').at(-1)?.endOffset).toBe(4_000)
  expect(watch.states.at(-1)).toBe('running')
  await one.stop()
})

test('a worker that stops leaves what has not been begun to whoever takes over', async () => {
  const records = topics(new MemoryRecords({ chunkRecords: 500 }))
  const { worker: one, watch } = await worker(records, [sums('a')], {
    deadLetterBreakerPercent: 50,
  })
  produce(records, 1_000, () => true)
  await watch.until(() => watch.troubles('breaker').length === 1)
  produce(records, 5_000, () => true)
  await watch.until(() => watch.of('consumed').some(({ records: n }) => n === 10))
  await one.stop()
  expect(watch.states.at(-1)).toBe('stopped')
  expect(records.committed(GROUP, EVENTS)?.nextOffset).toBeLessThan(5_000)
})

test('what is slow passes ten records at a time, every 100 ms, in order, and all at once when it is slow no more', async () => {
  const clock = new HandClock(START_MS)
  const passed: (readonly [records: number, nextOffset: number] | 'end')[] = []
  let isSlow = true
  const throttle = new Throttle({
    clock,
    isSlow: () => isSlow,
    process: (chunk) => passed.push([chunk.records.length, chunk.nextOffset]),
    failed: () => {},
  })
  const records = new ListedRecords(Array.from({ length: 60 }, (_, offset) => record(offset)))
  const waiting = { ...EVENTS, epoch: 1, records, nextOffset: 61, endOffset: 61 }
  throttle.add(waiting)
  throttle.after(() => passed.push('end'))
  expect(bytesInMemory(waiting)).toBeGreaterThan(60)
  expect([passed, throttle.bytes]).toEqual([[], bytesInMemory(waiting)])
  for (let slice = 1; slice <= 3; slice++) {
    clock.advance(99)
    await nextTurn()
    expect(passed).toHaveLength(slice - 1)
    clock.advance(1)
    await nextTurn()
    expect(passed.at(-1)).toEqual([10, 10 * slice])
  }
  isSlow = false
  clock.advance(100)
  await nextTurn()
  expect(passed.slice(3)).toEqual([[10, 40], [20, 61], 'end'])
  expect([throttle.isEmpty, throttle.bytes]).toEqual([true, 0])
})

test('what cannot be taken when it has waited is told, and nothing passes after it', async () => {
  const clock = new HandClock(START_MS)
  const failures: unknown[] = []
  let taken = 0
  const throttle = new Throttle({
    clock,
    isSlow: () => true,
    process: () => {
      taken++
      throw new Error('cannot be')
    },
    failed: (error) => failures.push(error),
  })
  for (const offset of [0, 1]) {
    const [records, end] = [new ListedRecords([record(offset)]), offset + 1]
    throttle.add({ ...EVENTS, epoch: 1, records, nextOffset: end, endOffset: end })
  }
  clock.advance(100)
  await nextTurn()
  clock.advance(100)
  await nextTurn()
  expect(failures).toEqual([new Error('cannot be')])
  expect(taken).toBe(1)
})
