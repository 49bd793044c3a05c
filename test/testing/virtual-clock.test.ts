import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/** A clock at 1,000 ms, and the order in which its sleepers woke, with the time they saw. */
function sleepers(...ms: number[]) {
  const clock = new VirtualClock(1_000)
  const woke: string[] = []
  for (const each of ms) void clock.sleep(each).then(() => woke.push(`${each} at ${clock.nowMs()}`))
  return { clock, woke }
}

describe('a step', () => {
  test('goes to the next sleeper, not past it, and wakes only those that are due', async () => {
    const { clock, woke } = sleepers(30, 10, 10)
    expect(clock.step(2_000)).toBe(true)
    await nextTurn()
    expect([clock.nowMs(), woke]).toEqual([1_010, ['10 at 1010', '10 at 1010']])
    expect(clock.step(2_000)).toBe(true)
    expect(clock.nowMs()).toBe(1_030)
  })

  test('goes all the way when nobody wakes before', () => {
    const { clock } = sleepers(31)
    expect(clock.step(1_030)).toBe(false)
    expect([clock.nowMs(), clock.elapsedMs()]).toEqual([1_030, 1_030])
  })

  test('never goes back', () => {
    const { clock } = sleepers()
    clock.step(500)
    expect(clock.nowMs()).toBe(1_000)
  })
})

describe('a timer', () => {
  test('ends when its time has passed, once', () => {
    const clock = new VirtualClock(1_000)
    const rang: number[] = []
    clock.after(10, () => rang.push(clock.nowMs()))
    expect(clock.step(2_000)).toBe(true)
    expect(clock.step(2_000)).toBe(false)
    expect(rang).toEqual([1_010])
  })

  test('that is ended before does nothing, also when another one that is due ends it', () => {
    const clock = new VirtualClock(1_000)
    const rang: string[] = []
    let endLast = () => {}
    clock.after(10, () => {
      rang.push('first')
      endLast()
    })
    endLast = clock.after(10, () => rang.push('last'))
    clock.step(2_000)
    expect(rang).toEqual(['first'])
  })
})

test('no sleep begins for a time that is over or a signal that was given; a later signal ends it', async () => {
  const clock = new VirtualClock(1_000)
  await clock.sleep(0)
  await clock.sleep(10, AbortSignal.abort())
  const abort = new AbortController()
  const sleeping = clock.sleep(10, abort.signal)
  abort.abort()
  await sleeping
  expect(clock.step(2_000)).toBe(false)
})
