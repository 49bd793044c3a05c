import { setImmediate as nextTurn } from 'node:timers/promises'
import { minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { wallClock } from '../../../src/kernel/clock.ts'
import type { RuntimeEvent } from '../../../src/runtime/events.ts'
import { IdleClock } from '../../../src/runtime/partition/idle-clock.ts'
import type { Task } from '../../../src/runtime/partition/task.ts'
import { collected } from '../../bench/collected.ts'
import { HandClock } from '../../support/clocks.ts'
import { startDriver } from '../../support/driver.ts'
import { perMinute, reading } from '../../testing/support.ts'

// `idleAfter` is 10 s, the lag 0.

/** More windows than one step closes. */
const MANY = 3_000

async function withManyClosed() {
  const driver = await startDriver(perMinute)
  await driver.pipe(Array.from({ length: MANY }, (_, i) => reading(0, { sensor: `s-${i}` })))
  await driver.pipe(reading(61))
  return driver
}

test('a window that opened with the record that closed thousands closes by idle time, at its moment', async () => {
  const driver = await withManyClosed()
  expect(driver.take('minutes')).toHaveLength(MANY)
  await driver.advance(seconds(58))
  expect(driver.take('minutes')).toEqual([])
  await driver.advance(minutes(1))
  expect(driver.take('minutes').map((o) => o.timestampMs)).toEqual([Date.UTC(2026, 0, 1, 0, 0, 59)])
})

test('so it does when the worker has been restarted in between', async () => {
  const driver = await withManyClosed()
  await driver.crash()
  await driver.restart()
  await driver.advance(minutes(2))
  expect(driver.outputs('minutes')).toHaveLength(MANY + 1)
  expect(driver.outputs('minutes').at(-1)?.timestampMs).toBe(Date.UTC(2026, 0, 1, 0, 0, 59))
})

test('a partition that is polled again and again keeps nothing of its polls', async () => {
  const topology = { definition: { source: { watermark: { idleAfterMs: 1_000 } } } }
  const open = { nextEndMs: Number.POSITIVE_INFINITY, logWatermarkMs: 0 }
  const task = { topology, entered: async () => {}, ...open } as unknown as Task
  const idle = new IdleClock([task], { clock: wallClock, observer: () => {} }, async () => {})
  const heapAfter = async (polls: number): Promise<number> => {
    for (let poll = 0; poll < polls; poll++) {
      idle.caughtUp()
      if (poll % 100 === 0) await nextTurn()
    }
    await nextTurn()
    return collected().heap
  }
  const polls = 50_000
  // Once without looking: code is compiled meanwhile.
  const before = await heapAfter(polls)
  expect((await heapAfter(polls)) - before).toBeLessThan(10 * polls)
  idle.stop()
})

test('without idleAfter a window that should have closed is trouble, until the next record', async () => {
  const clock = new HandClock(0)
  const told: (string | null)[] = []
  const labels = { topology: 't', partition: { topic: 'events', partition: 0 } }
  const definition = { source: { watermark: { idleAfterMs: null } }, then: perMinute.then }
  const task = {
    ...{ topology: { definition }, labels, entered: async () => {} },
    ...{ nextEndMs: 60_000, logWatermarkMs: 40_000 },
  } as unknown as Task
  const observer = (event: RuntimeEvent) => {
    if (event.type === 'trouble' && event.kind === 'idle') told.push(event.reason)
  }
  let advanced = 0
  const idle = new IdleClock([task], { clock, observer }, async () => {
    advanced++
  })
  idle.caughtUp()
  await clock.asleepFor(20_000)
  clock.advance(19_999)
  await nextTurn()
  expect(told).toEqual([])
  clock.advance(1)
  await nextTurn()
  await nextTurn()
  const reason = 'windows have ended, no record comes, and the source has no idleAfter'
  expect([told, advanced]).toEqual([[reason], 0])
  idle.came()
  expect(told).toEqual([reason, null])
  idle.stop()
})
