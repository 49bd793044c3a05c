import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { wallClock } from '../../src/kernel/clock.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

// A worker sleeps on the same signals again and again, for as long as it lives.

const virtual = new VirtualClock(0)

test.each([25 * 24 * 3_600_000, 2 ** 31, 2 ** 40])(
  'sleeping for %d ms by the wall clock lasts',
  async (ms) => {
    const awake = new AbortController()
    const sleeping = wallClock.sleep(ms, awake.signal)
    expect(await Promise.race([sleeping, sleep(20, 'still asleep')])).toBe('still asleep')
    awake.abort()
    await sleeping
  },
)

test('a timer by the wall clock does its work once, unless it is ended before', async () => {
  const rang: string[] = []
  wallClock.after(0, () => rang.push('left alone'))
  wallClock.after(0, () => rang.push('ended'))()
  await new Promise<void>((resolve) => void wallClock.after(0, resolve))
  expect(rang).toEqual(['left alone'])
})

test.each<[string, (signal: AbortSignal) => Promise<void>]>([
  ['the wall clock', (signal) => wallClock.sleep(0, signal)],
  [
    'a clock that is moved',
    (signal) => {
      const sleeping = virtual.sleep(1, signal)
      virtual.step(virtual.nowMs() + 1)
      return sleeping
    },
  ],
])('sleeping by %s leaves nothing on its signal', async (_, sleepOnce) => {
  const { signal } = new AbortController()
  for (let n = 0; n < 50; n++) await sleepOnce(signal)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
